-- Sums are in the order of the months: the same build twice gives the same last digit.
WITH expected AS (
    SELECT
        neighborhood,
        sum(expected_reported_month_crimes ORDER BY month) AS expected_reported_year_crimes
    FROM average_daily
    GROUP BY ALL
),
ranked AS (
    SELECT
        *,
        row_number() OVER (ORDER BY expected_reported_year_crimes DESC, neighborhood)::INTEGER AS reported_rank,
        count(*) OVER () AS places
    FROM expected
)
SELECT
    place.neighborhood,
    place.npu,
    place.zone,
    place.is_named,
    place.latitude,
    place.longitude,
    ranked.reported_rank,
    ranked.expected_reported_year_crimes,
    ranked.expected_reported_year_crimes / nullif(one_lower.expected_reported_year_crimes, 0)
        AS reversal_ratio_next,
    ranked.expected_reported_year_crimes / nullif(tenth_lower.expected_reported_year_crimes, 0)
        AS reversal_ratio_tenth,
    ranked.expected_reported_year_crimes / nullif(median.expected_reported_year_crimes, 0)
        AS reversal_ratio_median
FROM ranked
JOIN neighborhood AS place USING (neighborhood)
LEFT JOIN ranked AS one_lower ON one_lower.reported_rank = ranked.reported_rank + 1
LEFT JOIN ranked AS tenth_lower
    ON tenth_lower.reported_rank = ranked.reported_rank + ceil(ranked.places / 10)
LEFT JOIN ranked AS median ON median.reported_rank = ceil(ranked.places / 2)
ORDER BY ranked.reported_rank
