WITH observed AS (
    SELECT year(calendar_date)::INTEGER AS year, count(*) AS observed_days
    FROM calendar
    GROUP BY ALL
),
category AS (
    SELECT DISTINCT offense_category FROM incident
),
counted AS (
    SELECT
        neighborhood,
        year(occurred_at)::INTEGER AS year,
        offense_category,
        count(*) AS incidents
    FROM incident
    GROUP BY ALL
)
SELECT
    place.neighborhood,
    place.npu,
    place.zone,
    place.is_named,
    place.latitude,
    place.longitude,
    year,
    offense_category,
    coalesce(incidents, 0) AS incident_count,
    coalesce(incidents, 0) / observed_days AS incidents_per_day,
    observed_days
FROM neighborhood AS place
CROSS JOIN observed
CROSS JOIN category
LEFT JOIN counted USING (neighborhood, year, offense_category)
ORDER BY place.neighborhood, year, offense_category
