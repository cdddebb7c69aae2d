"""What a few wrong rows can do to a forecast: next to nothing."""

import csv
import datetime as dt
import random
from pathlib import Path

import pytest

from etl.city import City
from etl.clean import clean_files
from etl.simulate import simulate_file
from models.forecast import make_forecast
from models.load_panel import load_panel
from warehouse.build import open_build

OFFENSES = 40_000
"""Over five years: some 22 reports a day, from which on the edges of the flow are sharp."""

WRONG_ROWS = 5
MAX_CHANGE = 0.01

Row = dict[str, str]


def sum_expected(tmp_path: Path, city: City, rows: list[Row]) -> float:
    """Return the city's expected crimes, summed over the hours of an average day of each month."""
    raw = tmp_path / "raw.csv"
    with raw.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "b.duckdb").unlink(missing_ok=True)
    with open_build("test", tmp_path / "b.duckdb") as build:
        summary = clean_files(build, [raw], city)
        assert summary.failed_checks == ()
        panel = load_panel(build.connection)
    forecast, _ = make_forecast(panel, summary.cutoff, city.time_zone)
    return float(forecast.expected.sum())


def move(row: Row, day: dt.date, *fields: str) -> Row:
    """Return a row some of whose dates are another day."""
    return {**row, **{field: f"{day:%m/%d/%Y} 12:00" for field in fields}}


LATER, EARLIER = dt.date(2026, 1, 8), dt.date(2020, 12, 20)
REPORT, OCCURRED = "ReportDate", "OccurredFromDate"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_five_rows_dated_anywhere_change_the_expected_year_by_under_one_percent(
    tmp_path: Path, city: City, seed: int
) -> None:
    random_ = random.Random(seed)  # noqa: S311
    simulate_file(tmp_path / "sim.csv", city, OFFENSES)
    with (tmp_path / "sim.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    whole = sum_expected(tmp_path, city, rows)
    anywhere = dt.date(1900, 1, 1) + dt.timedelta(days=random_.randrange(60_000))
    for days, fields in (
        ([LATER] * WRONG_ROWS, [REPORT]),
        ([dt.date(2026, 1, 1)] * WRONG_ROWS, [REPORT, OCCURRED]),
        ([dt.date(2026, 1, 1) + dt.timedelta(days=n) for n in range(WRONG_ROWS)], [REPORT, OCCURRED]),
        ([EARLIER] * WRONG_ROWS, [REPORT, OCCURRED]),
        ([anywhere] * WRONG_ROWS, [random_.choice([REPORT, OCCURRED])]),
    ):
        wrong = list(rows)
        for number, day in zip(random_.sample(range(len(rows)), WRONG_ROWS), days, strict=True):
            wrong[number] = move(rows[number], day, *fields)
        assert abs(sum_expected(tmp_path, city, wrong) / whole - 1) < MAX_CHANGE, (days, fields)
