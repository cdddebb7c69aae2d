WITH observed AS (
    SELECT year(calendar_date)::INTEGER AS year, count(*) AS observed_days
    FROM calendar
    GROUP BY ALL
),
-- Where every zone is NULL, the city has none and the mart no rows: the one group would be the whole city.
zoned AS (
    SELECT coalesce(zone, 'unknown') AS zone, year(occurred_at) AS year, offense_category FROM incident
    WHERE EXISTS (FROM incident WHERE zone IS NOT NULL)
),
-- Rows of nothing make the grid complete.
grid AS (
    SELECT zone, year, offense_category, 0 AS incidents
    FROM (SELECT DISTINCT zone FROM zoned)
    CROSS JOIN observed
    CROSS JOIN (SELECT DISTINCT offense_category FROM zoned)
    UNION ALL
    SELECT zone, year, offense_category, 1 FROM zoned
),
counted AS (
    SELECT zone, year, offense_category, sum(incidents)::BIGINT AS incident_count
    FROM grid
    GROUP BY ALL
)
SELECT
    zone,
    year::INTEGER AS year,
    offense_category,
    incident_count,
    incident_count / observed_days AS incidents_per_day,
    incident_count / nullif(sum(incident_count) OVER (PARTITION BY year, offense_category), 0)
        AS city_share,
    observed_days
FROM counted
JOIN observed USING (year)
ORDER BY zone, year, offense_category
