-- Hours in which nothing is expected weigh next to nothing, so that shares exist without any other.
WITH weighed AS (
    SELECT *, greatest(expected_crimes, 1e-12) AS weight FROM forecast_hourly
),
summed AS (
    SELECT
        neighborhood,
        month,
        forecast_month,
        time_of_day(hour) AS time_of_day,
        sum(expected_crimes) AS expected_daily_crimes,
        sum(weight * patrol_share_foot) AS foot,
        sum(weight * patrol_share_bicycle) AS bicycle,
        sum(weight * patrol_share_motorcycle) AS motorcycle,
        sum(weight * patrol_share_vehicle) AS vehicle
    FROM weighed
    GROUP BY ALL
),
shared AS (
    SELECT
        *,
        foot + bicycle + motorcycle + vehicle AS total,
        greatest(foot, bicycle, motorcycle, vehicle) AS largest
    FROM summed
)
SELECT
    place.neighborhood,
    place.npu,
    place.zone,
    place.latitude,
    place.longitude,
    month,
    monthname(forecast_month) AS month_name,
    forecast_month,
    time_of_day,
    expected_daily_crimes,
    -- Equal types: the first in the order of warehouse.schema.PATROL_TYPES.
    CASE largest
        WHEN foot THEN 'Foot Patrol'
        WHEN bicycle THEN 'Bicycle Patrol'
        WHEN motorcycle THEN 'Motorcycle Patrol'
        ELSE 'Vehicle Patrol'
    END AS suggested_patrol,
    largest / total AS suggested_patrol_share,
    foot / total AS patrol_share_foot,
    bicycle / total AS patrol_share_bicycle,
    motorcycle / total AS patrol_share_motorcycle,
    vehicle / total AS patrol_share_vehicle
FROM shared
JOIN neighborhood AS place USING (neighborhood)
ORDER BY place.neighborhood, month, time_of_day
