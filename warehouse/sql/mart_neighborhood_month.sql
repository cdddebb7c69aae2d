WITH observed AS (
    SELECT date_trunc('month', calendar_date)::DATE AS month_start, count(*) AS observed_days
    FROM calendar
    GROUP BY ALL
),
counted AS (
    SELECT neighborhood, date_trunc('month', occurred_at)::DATE AS month_start, count(*) AS incidents
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
    month_start,
    year(month_start)::INTEGER AS year,
    month(month_start)::INTEGER AS month,
    monthname(month_start) AS month_name,
    coalesce(incidents, 0) AS incident_count,
    coalesce(incidents, 0) / observed_days AS incidents_per_day,
    observed_days,
    day(last_day(month_start))::INTEGER AS month_days
FROM neighborhood AS place
CROSS JOIN observed
LEFT JOIN counted USING (neighborhood, month_start)
ORDER BY place.neighborhood, month_start
