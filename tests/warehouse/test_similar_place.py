"""The mart of similar places: known days of a few places in, the nearest ones out."""

from pathlib import Path

from tests.tables import fill
from warehouse.build import open_build
from warehouse.tables_forecast import AVERAGE_DAILY_TABLE, FORECAST_HOURLY_TABLE
from warehouse.tables_mart import MART_SIMILAR_PLACE_TABLE

# Crimes of two hours. F expects too little for A, G too much, Z nothing at all.
HOURS = {
    "A": (0.5, 0.5), "B": (0.6, 0.4), "C": (1.2, 0.8), "D": (0.3, 0.2), "E": (0.1, 0.9),
    "F": (0.2, 0.2), "G": (1.1, 1.0), "H": (0.0, 1.0), "I": (1.0, 0.0), "Z": (0.0, 0.0),
}  # fmt: skip


def test_nearest_of_like_volume_come_first(tmp_path: Path) -> None:
    days = [f"{name} 7 {sum(hours)}" for name, hours in HOURS.items()]
    cells = [
        f"{name} 7 {hour} {crimes}" for name, hours in HOURS.items() for hour, crimes in enumerate(hours)
    ]
    with open_build("test", tmp_path / "b.duckdb") as build:
        build.data_source = "test data"
        fill(build, AVERAGE_DAILY_TABLE, "\n".join(["neighborhood month expected_daily_crimes", *days]))
        fill(
            build, FORECAST_HOURLY_TABLE,
            "\n".join(["neighborhood month hour expected_crimes", *cells, "B 8 0 9"]),
        )  # fmt: skip
        build.insert_mart(MART_SIMILAR_PLACE_TABLE)
        rows = build.connection.execute("""
            SELECT similar_rank, similar_neighborhood, similar_expected_daily_crimes,
                   round(hour_difference, 9), month_name
            FROM mart_similar_place WHERE neighborhood = 'A' ORDER BY 1""").fetchall()
        others = build.connection.execute(
            "SELECT similar_neighborhood FROM mart_similar_place WHERE neighborhood = 'F'"
        ).fetchall()
    assert rows == [
        (1, "B", 1.0, 0.1, "January"), (2, "C", 2.0, 0.1, "January"), (3, "D", 0.5, 0.1, "January"),
        (4, "E", 1.0, 0.4, "January"), (5, "H", 1.0, 0.5, "January"),
    ]  # fmt: skip
    assert others == [("D",)]
