WITH observed AS (
    SELECT
        weekday::INTEGER AS iso_weekday,
        count(calendar_date) AS observed_days,
        count(*) FILTER (clock_change = 'spring') AS spring_days,
        count(*) FILTER (clock_change = 'autumn') AS autumn_days
    FROM range(1, 8) AS week(weekday)
    LEFT JOIN calendar ON iso_weekday = weekday
    GROUP BY ALL
),
clock AS (
    SELECT hour::INTEGER AS hour FROM range(24) AS hours(hour)
),
counted AS (
    SELECT
        isodow(occurred_at)::INTEGER AS iso_weekday,
        hour(occurred_at)::INTEGER AS hour,
        count(*) AS incidents
    FROM incident
    GROUP BY ALL
)
SELECT
    iso_weekday,
    dayname(DATE '2023-12-31' + iso_weekday) AS weekday_name,  -- that day was a Sunday
    hour,
    printf('%02d:00', hour) AS hour_label,
    time_of_day(hour) AS time_of_day,
    coalesce(incidents, 0) AS incident_count,
    observed_days,
    observed_days - if(hour = 2, spring_days, 0) + if(hour = 1, autumn_days, 0) AS observed_hours,
    incident_count / nullif(observed_hours, 0) AS incidents_per_hour
FROM observed
CROSS JOIN clock
LEFT JOIN counted USING (iso_weekday, hour)
ORDER BY iso_weekday, hour
