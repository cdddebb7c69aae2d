"""Zones whose incidents stop before the days that the files cover do: part of a feed that is missing.

Input: `repaired` and `covered_day`. Output: a sentence per zone.
"""

import duckdb

from etl.city import City
from warehouse.settings import WARN_ZONE_INCIDENTS

RATE_DAYS = 365
"""Days up to a zone's last incident that tell its rate."""

# With a Poisson count, none of n expected incidents happens with a chance of exp(-n).
STOPPED = f"""
WITH stop AS (
    SELECT zone, max(occurred::DATE) AS last_day FROM repaired WHERE zone IS NOT NULL GROUP BY zone
), exposure AS (
    SELECT zone, last_day,
           count(*) FILTER (calendar_date BETWEEN last_day - {RATE_DAYS - 1} AND last_day) AS days,
           count(*) FILTER (calendar_date > last_day) AS silent_days
    FROM stop CROSS JOIN covered_day GROUP BY ALL
)
SELECT zone, last_day, count(*) / days AS rate
FROM exposure JOIN repaired USING (zone) WHERE occurred::DATE > last_day - {RATE_DAYS}
GROUP BY zone, last_day, days, silent_days
HAVING rate * silent_days > {WARN_ZONE_INCIDENTS} ORDER BY zone
"""


def list_stopped_zones(connection: duckdb.DuckDBPyConnection, city: City) -> list[str]:
    """Return a sentence per zone without an incident up to the cutoff, where its rate lets expect many.

    The rate, incidents per covered day, is that of the year up to the zone's last incident.
    """
    return [
        f"{city.districts.zone} {zone}: no incident after {last_day}, {rate:.1f} a day before"
        for zone, last_day, rate in connection.execute(STOPPED).fetchall()
    ]
