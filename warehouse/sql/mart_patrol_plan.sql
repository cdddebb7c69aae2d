-- Hours in which nothing is expected weigh next to nothing, so that shares exist without any other.
-- Sums are in the order of the hours: the same build twice gives the same last digit.
WITH weighed AS (
    SELECT *, time_of_day(hour) AS time_of_day, greatest(expected_crimes, 1e-12) AS weight
    FROM forecast_hourly
),
summed AS (
    SELECT
        neighborhood,
        month,
        forecast_month,
        time_of_day,
        sum(expected_crimes ORDER BY hour) AS expected_daily_crimes,
        sum(expected_reported_crimes ORDER BY hour) AS expected_reported_daily_crimes,
        sum(weight * patrol_share_foot ORDER BY hour) / sum(weight ORDER BY hour) AS patrol_share_foot,
        sum(weight * patrol_share_bicycle ORDER BY hour) / sum(weight ORDER BY hour) AS patrol_share_bicycle,
        sum(weight * patrol_share_motorcycle ORDER BY hour) / sum(weight ORDER BY hour) AS patrol_share_motorcycle,
        sum(weight * patrol_share_vehicle ORDER BY hour) / sum(weight ORDER BY hour) AS patrol_share_vehicle
    FROM weighed
    GROUP BY ALL
),
-- The rule of suggested_patrol is applied once, hour by hour; equal weights go by name.
suggested AS (
    SELECT neighborhood, month, time_of_day, suggested_patrol
    FROM weighed
    GROUP BY neighborhood, month, time_of_day, suggested_patrol
    QUALIFY row_number() OVER (
        PARTITION BY neighborhood, month, time_of_day ORDER BY sum(weight ORDER BY hour) DESC, suggested_patrol
    ) = 1
)
SELECT
    place.neighborhood,
    place.npu,
    place.zone,
    place.is_named,
    place.latitude,
    place.longitude,
    month,
    monthname(forecast_month) AS month_name,
    forecast_month,
    time_of_day,
    expected_daily_crimes,
    expected_reported_daily_crimes,
    suggested_patrol,
    CASE suggested_patrol
        WHEN 'Foot Patrol' THEN patrol_share_foot
        WHEN 'Bicycle Patrol' THEN patrol_share_bicycle
        WHEN 'Motorcycle Patrol' THEN patrol_share_motorcycle
        ELSE patrol_share_vehicle
    END AS suggested_patrol_share,
    patrol_share_foot,
    patrol_share_bicycle,
    patrol_share_motorcycle,
    patrol_share_vehicle
FROM summed
JOIN suggested USING (neighborhood, month, time_of_day)
JOIN neighborhood AS place USING (neighborhood)
ORDER BY place.neighborhood, month, time_of_day
