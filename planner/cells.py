"""The cells that hours are shared out to, with what the build expects in each.

Input: a build and a request. Output: a frame with one row per neighborhood, weekday, shift and patrol
type.
"""

import duckdb
import pandas as pd

from planner.request import Request, list_hours
from warehouse.columns import EXPECTED_CRIMES, EXPECTED_REPORTED_CRIMES, PATROL_SHARES, PATROL_TYPES
from warehouse.errors import ShieldError
from warehouse.settings_file import suggest
from warehouse.spelling import fold
from warehouse.tables_plan import ALL, REPORTED

DEMAND_COLUMNS = {REPORTED: EXPECTED_REPORTED_CRIMES.name, ALL: EXPECTED_CRIMES.name}
"""What a request counts, by its `demand`."""

CELLS = """
WITH share AS (
    SELECT neighborhood, hour, patrol_share,
           list_extract($types, list_position($shares, share_name)) AS patrol_type
    FROM (UNPIVOT forecast_hourly ON {shares} INTO NAME share_name VALUE patrol_share)
    WHERE month = $month
), shift_hour AS (
    SELECT unnest($hours) AS hour, unnest($names) AS shift, unnest($behind) AS days_behind
), cell AS (
    SELECT neighborhood, zone, (iso_weekday + 6 - days_behind) % 7 + 1 AS iso_weekday, shift,
           patrol_type, sum(expected_crimes * patrol_share ORDER BY hour) AS expected_crimes,
           sum(expected_reported_crimes * patrol_share ORDER BY hour) AS expected_reported_crimes
    FROM forecast_hourly_weekday JOIN share USING (neighborhood, hour) JOIN shift_hour USING (hour)
    JOIN neighborhood USING (neighborhood)
    WHERE month = $month AND neighborhood NOT IN (SELECT unnest($left_out::VARCHAR[]))
    GROUP BY ALL
)
FROM cell ORDER BY md5(concat_ws('|', $build_id, $seed, neighborhood, iso_weekday, shift, patrol_type))
"""
"""Sums are ordered, so that their last digits are the same every time. So are cells, by a hash: of equal
cells the first is served, whatever its name or the order of rows."""


def read_cells(connection: duckdb.DuckDBPyConnection, build_id: str, request: Request) -> pd.DataFrame:
    """Return the cells in the order in which equal ones are served.

    `demand` is what the request counts of `expected_crimes` and `expected_reported_crimes`, of one such
    weekday. Raises `ShieldError` for a place that is left out and not known, or where none is left, and
    as `check_floors` does.
    """
    places = connection.execute("SELECT neighborhood, zone FROM neighborhood").df()
    left_out = [find_name("left_out", name, places["neighborhood"]) for name in request.left_out]
    check_floors(request, places, places[~places["neighborhood"].isin(left_out)])
    hours = [(hour, shift, behind) for shift, span in request.shifts.items()
             for hour, behind in list_hours(span)]  # fmt: skip
    shares = [column.name for column in PATROL_SHARES]
    parameters = {
        "month": request.month, "types": list(PATROL_TYPES), "shares": shares, "left_out": left_out,
        "hours": [hour for hour, _, _ in hours], "names": [shift for _, shift, _ in hours],
        "behind": [int(behind) for _, _, behind in hours],
        "build_id": build_id, "seed": request.seed,
    }  # fmt: skip
    cells = connection.execute(CELLS.format(shares=", ".join(shares)), parameters).df()
    if cells.empty:
        raise ShieldError("left_out: no place is left")
    cells["demand"] = cells[DEMAND_COLUMNS[request.demand]]
    return cells


def check_floors(request: Request, places: pd.DataFrame, kept: pd.DataFrame) -> None:
    """Raise `ShieldError` for a floor of a place that is not known or left out, or is named twice."""
    floors = request.floors
    asked = {"neighborhood": list(floors.neighborhoods), "zone": list(floors.zones)}
    for column, names in asked.items():
        key, spelled = f"floors.{column}s", dict[str, str]()
        for name in names:
            place = find_name(key, name, places[column])
            if place in spelled:
                raise ShieldError(f"{key}: {spelled[place]!r} and {name!r} are one place; expected one")
            if place not in set(kept[column]):
                every = "every neighborhood of it " if column == "zone" else ""
                raise ShieldError(f"{key}: {name!r} has a floor, but {every}is left out (left_out)")
            spelled[place] = name


def find_name(key: str, name: str, known: "pd.Series[str]") -> str:
    """Return the name of a place in the build; letters and digits count, in any case.

    Raises `ShieldError` with the key and the nearest name where there is none such.
    """
    names = {fold(place): str(place) for place in known.dropna().unique()}
    if fold(name) not in names:
        raise ShieldError(f"{key}: the build knows no {name!r}{suggest(name, names.values())}")
    return names[fold(name)]
