-- Decimals add up to the same sum in any order: the same build twice gives the same last digit.
WITH summed AS (
    SELECT
        neighborhood,
        month,
        category.forecast_month,
        time_of_day(hour) AS time_of_day,
        offense_category,
        sum((category_share * cell.expected_crimes)::DECIMAL(38, 20)) AS crimes
    FROM forecast_category AS category
    JOIN forecast_hourly AS cell USING (neighborhood, month, hour)
    GROUP BY ALL
),
whole AS (
    SELECT neighborhood, month, time_of_day, sum(crimes) AS all_crimes
    FROM summed
    GROUP BY ALL
)
SELECT
    place.neighborhood,
    place.npu,
    place.zone,
    place.latitude,
    place.longitude,
    month,
    monthname(forecast_month) AS month_name,
    forecast_month,
    time_of_day,
    offense_category,
    crimes::DOUBLE AS expected_daily_crimes,
    round(crimes::DOUBLE / nullif(all_crimes::DOUBLE, 0), 6) AS category_share
FROM summed
JOIN whole USING (neighborhood, month, time_of_day)
JOIN neighborhood AS place USING (neighborhood)
ORDER BY place.neighborhood, month, time_of_day, offense_category
