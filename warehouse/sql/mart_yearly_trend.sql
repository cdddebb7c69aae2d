WITH observed AS (
    SELECT date_trunc('month', calendar_date)::DATE AS month_start, count(*) AS observed_days
    FROM calendar
    GROUP BY ALL
),
offense_kind AS (
    SELECT DISTINCT offense_category, crime_against FROM incident
),
counted AS (
    SELECT
        date_trunc('month', occurred_at)::DATE AS month_start,
        offense_category,
        crime_against,
        count(*) AS incidents
    FROM incident
    GROUP BY ALL
)
SELECT
    month_start,
    year(month_start)::INTEGER AS year,
    month(month_start)::INTEGER AS month,
    monthname(month_start) AS month_name,
    offense_category,
    crime_against,
    coalesce(incidents, 0) AS incident_count,
    coalesce(incidents, 0) / observed_days AS incidents_per_day,
    observed_days,
    day(last_day(month_start))::INTEGER AS month_days
FROM observed
CROSS JOIN offense_kind
LEFT JOIN counted USING (month_start, offense_category, crime_against)
ORDER BY month_start, offense_category, crime_against
