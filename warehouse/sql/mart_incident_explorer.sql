SELECT
    * EXCLUDE (raw_file),
    year(occurred_at) AS year,
    date_trunc('month', occurred_at) AS month_start,
    month(occurred_at) AS month,
    monthname(occurred_at) AS month_name,
    isodow(occurred_at) AS iso_weekday,
    dayname(occurred_at) AS weekday_name,
    hour(occurred_at) AS hour,
    printf('%02d:00', hour(occurred_at)) AS hour_label
FROM incident
