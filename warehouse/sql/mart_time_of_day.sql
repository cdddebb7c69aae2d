WITH observed AS (
    SELECT
        weekday::INTEGER AS iso_weekday,
        count(calendar_date) AS observed_days
    FROM range(1, 8) AS week(weekday)
    LEFT JOIN calendar ON iso_weekday = weekday
    GROUP BY ALL
),
clock AS (
    SELECT hour::INTEGER AS hour FROM range(24) AS hours(hour)
),
changed AS (
    SELECT
        iso_weekday,
        changed_hour AS hour,
        sum(if(clock_change = 'autumn', 1, -1)) AS changed_hours
    FROM calendar
    WHERE changed_hour IS NOT NULL
    GROUP BY ALL
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
    observed_days + coalesce(changed_hours, 0)::BIGINT AS observed_hours,
    incident_count / nullif(observed_hours, 0) AS incidents_per_hour
FROM observed
CROSS JOIN clock
LEFT JOIN changed USING (iso_weekday, hour)
LEFT JOIN counted USING (iso_weekday, hour)
ORDER BY iso_weekday, hour
