-- Of the places that expect between half and twice as many crimes a day, the five whose days differ
-- least: half the sum over the hours of the absolute differences of their shares (total variation).
WITH shape AS (
    SELECT
        neighborhood,
        month,
        day.forecast_month,
        expected_daily_crimes,
        list(cell.expected_crimes / expected_daily_crimes ORDER BY hour) AS shares
    FROM average_daily AS day
    JOIN forecast_hourly AS cell USING (neighborhood, month)
    WHERE expected_daily_crimes > 0
    GROUP BY ALL
),
compared AS (
    SELECT
        own.neighborhood,
        month,
        own.forecast_month,
        other.neighborhood AS similar_neighborhood,
        other.expected_daily_crimes AS similar_expected_daily_crimes,
        list_sum(list_transform(
            list_zip(own.shares, other.shares), lambda pair: abs(pair[1] - pair[2])
        )) / 2 AS hour_difference
    FROM shape AS own
    JOIN shape AS other USING (month)
    WHERE own.neighborhood <> other.neighborhood
      AND other.expected_daily_crimes
          BETWEEN own.expected_daily_crimes / 2 AND own.expected_daily_crimes * 2
)
SELECT
    neighborhood,
    month,
    monthname(forecast_month) AS month_name,
    forecast_month,
    row_number() OVER place::INTEGER AS similar_rank,
    similar_neighborhood,
    similar_expected_daily_crimes,
    hour_difference
FROM compared
WINDOW place AS (
    PARTITION BY neighborhood, month ORDER BY hour_difference, similar_neighborhood
)
QUALIFY similar_rank <= 5
ORDER BY neighborhood, month, similar_rank
