WITH observed AS (
    SELECT year(calendar_date)::INTEGER AS year, count(*) AS observed_days
    FROM calendar
    GROUP BY ALL
),
-- Rows of nothing make the grid complete; a join would lose incidents whose zone is NULL. Where every zone
-- is NULL, the city has none and the mart no rows: the one group would be the whole city.
grid AS (
    SELECT zone, year, offense_category, 0 AS incidents
    FROM (SELECT DISTINCT zone FROM incident)
    CROSS JOIN observed
    CROSS JOIN (SELECT DISTINCT offense_category FROM incident)
    UNION ALL
    SELECT zone, year(occurred_at), offense_category, 1 FROM incident
),
counted AS (
    SELECT zone, year, offense_category, sum(incidents)::BIGINT AS incident_count
    FROM grid
    WHERE EXISTS (FROM incident WHERE zone IS NOT NULL)
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
