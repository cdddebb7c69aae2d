SELECT
    forecast.neighborhood,
    place.npu,
    place.zone,
    place.latitude,
    place.longitude,
    forecast.month,
    monthname(forecast.forecast_month) AS month_name,
    forecast.forecast_month,
    forecast.hour,
    printf('%02d:00', forecast.hour) AS hour_label,
    time_of_day(forecast.hour) AS time_of_day,
    forecast.expected_crimes,
    forecast.expected_reported_crimes,
    forecast.baseline_crimes,
    forecast.observed_crimes,
    forecast.intensity,
    forecast.suggested_patrol,
    forecast.suggested_patrol_share,
    forecast.runner_up_patrol,
    forecast.patrol_margin,
    forecast.patrol_share_foot,
    forecast.patrol_share_bicycle,
    forecast.patrol_share_motorcycle,
    forecast.patrol_share_vehicle,
    forecast.support_incidents
FROM forecast_hourly AS forecast
JOIN neighborhood AS place USING (neighborhood)
ORDER BY forecast.neighborhood, forecast.month, forecast.hour
