"""The guards: which difference is refused and which is not, what is kept aside, what force records."""

from pathlib import Path

import duckdb
import pytest

from refresh import main
from tests.one_in import one_in
from tests.raw import write_daily
from warehouse.changes import BEFORE, list_changes
from warehouse.guards import CORRECTIONS, ask_guards, compare_with_year
from warehouse.history import read_lineage, roll_back
from warehouse.pointer import read_pointer
from warehouse.records import find_build

LAST = {"rows": 1000, "cutoff": "2025-06-30", "places": ("A", "B"), "forecast": 900.0}


def fill_side(connection: duckdb.DuckDBPyConnection, database: str, facts: dict[str, object]) -> None:
    """Create what the guards look at in a database that is attached."""
    for table, select in {
        "incident": f"SELECT DATE '{facts['cutoff']}' - n::INTEGER % 100 AS occurred_at,"
        " '1' AS zone, 'Theft' AS offense_category"
        f" FROM range({facts['rows']}) AS r(n)",
        "calendar": f"SELECT DATE '{facts['cutoff']}' - n::INTEGER AS calendar_date"
        " FROM range(100) AS r(n)",
        "neighborhood": f"SELECT unnest({list(facts['places'])}) AS neighborhood, true AS is_named",  # type: ignore[call-overload]
        "average_daily": f"SELECT 'A' AS neighborhood, {facts['forecast']} AS expected_month_crimes",
    }.items():
        connection.execute(f"CREATE TABLE {database}.{table} AS {select}")


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        ({}, []),
        ({"rows": 800}, []),
        ({"rows": 799}, ["rows kept fell from 1,000 to 799, by more than 20 %"]),
        ({"rows": 5000}, []),
        ({"cutoff": "2025-07-01"}, []),
        ({"cutoff": "2025-06-29"}, ["the cutoff went back from 2025-06-30 to 2025-06-29"]),
        ({"places": ("A", "B", "C")}, []),
        ({"places": ("A", "C")}, ["1 of 2 neighborhoods vanished: B"]),
        ({"forecast": 1350.0}, []),
        ({"forecast": 1351.0}, ["the city forecast went from 900 to 1,351 crimes a year, by more than"
                                " a factor of 1.5"]),
        ({"forecast": 600.0}, []),
        ({"forecast": 599.0}, ["the city forecast went from 900 to 599 crimes a year, by more than"
                               " a factor of 1.5"]),
        ({"rows": 1, "cutoff": "2024-01-01"},
         ["rows kept fell from 1,000 to 1, by more than 20 %",
          "the cutoff went back from 2025-06-30 to 2024-01-01"]),
    ],
)  # fmt: skip
def test_each_guard_fires_beyond_its_threshold_only(
    change: dict[str, object], sentences: list[str]
) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH ':memory:' AS {BEFORE}")
        fill_side(connection, BEFORE, dict(LAST))
        fill_side(connection, "memory", LAST | change)
        assert ask_guards(connection) == sentences


@pytest.mark.parametrize(
    ("last_incident", "is_correction"), [("2025-06-01", True), ("2025-06-25", False)]
)
def test_cutoff_that_days_without_incidents_had_stretched_may_go_back(
    last_incident: str, is_correction: bool
) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH ':memory:' AS {BEFORE}")
        fill_side(connection, BEFORE, dict(LAST))
        fill_side(connection, "memory", LAST | {"cutoff": "2025-06-01"})
        connection.execute(
            f"UPDATE {BEFORE}.incident SET occurred_at = DATE '{last_incident}'"
            f" WHERE occurred_at > DATE '{last_incident}'"
        )
        told = connection.execute(CORRECTIONS).fetchall()
        assert len(ask_guards(connection)) == (0 if is_correction else 1)
    assert [text for (text,) in told] == [
        "the cutoff was corrected from 2025-06-30 to 2025-06-01: the last build held next to nothing on"
        " the days between"
    ][:is_correction]


@pytest.mark.parametrize(("held", "fired"), [(33, 0), (34, 1)])
def test_days_that_go_may_hold_less_than_a_third_of_the_usual(held: int, fired: int) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH ':memory:' AS {BEFORE}")
        fill_side(connection, BEFORE, dict(LAST))
        fill_side(connection, "memory", LAST | {"cutoff": "2025-06-20"})  # a tenth of the days goes
        connection.execute(
            f"UPDATE {BEFORE}.incident SET occurred_at = DATE '2025-06-20'"
            f" + if(rowid < {held}, 1, 0)::INTEGER"
        )
        assert len(ask_guards(connection)) == fired
        assert len(connection.execute(CORRECTIONS).fetchall()) == 1 - fired


def test_first_five_of_the_neighborhoods_that_vanished_are_named() -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH ':memory:' AS {BEFORE}")
        fill_side(connection, BEFORE, LAST | {"places": tuple("GFEDCBA")})
        fill_side(connection, "memory", LAST | {"places": ("A",)})
        assert ask_guards(connection) == ["6 of 7 neighborhoods vanished: B, C, D, E, F"]


@pytest.mark.parametrize(
    ("month", "before", "after", "sentences"),
    [
        ("2024-11-10", 50, 25, []),
        ("2024-11-10", 50, 24, ["zone 1 lost more than 50 % of its incidents in 1 closed months, first"
                                " in 2024-11-01: 50 to 24"]),
        ("2024-11-10", 50, 0, ["zone 1 lost more than 50 % of its incidents in 1 closed months, first"
                               " in 2024-11-01: 50 to 0"]),
        ("2024-11-10", 49, 0, []),
        ("2025-01-10", 50, 0, []),  # not closed
        ("2023-01-10", 50, 0, []),  # before the days of the new build
    ],
)  # fmt: skip
def test_zone_that_loses_incidents_of_closed_months_is_told(
    month: str, before: int, after: int, sentences: list[str]
) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH ':memory:' AS {BEFORE}")
        for database, incidents in ((BEFORE, before), ("memory", after)):
            fill_side(connection, database, dict(LAST))
            connection.execute(
                f"INSERT INTO {database}.incident SELECT DATE '{month}', '1', 'Fraud' || n"
                f" FROM range({incidents}) AS r(n)"
            )
        connection.execute("INSERT INTO memory.calendar VALUES ('2024-01-15')")
        assert ask_guards(connection) == sentences


@pytest.mark.parametrize(
    ("cutoff", "first_day", "is_told"),
    [
        ("2025-06-02", "2024-12-01", True),
        ("2025-06-01", "2024-12-01", False),  # December closes with the first of June
        ("2025-06-02", "2024-12-02", False),  # the new build has not the whole month
    ],
)
def test_closed_month_begins_within_the_new_build_and_six_months_before_the_last_cutoff(
    cutoff: str, first_day: str, is_told: bool
) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH ':memory:' AS {BEFORE}")
        for database in (BEFORE, "memory"):
            fill_side(connection, database, LAST | {"cutoff": cutoff})
        connection.execute(f"INSERT INTO {BEFORE}.incident SELECT DATE '2024-12-10', '1', 'Fraud' || n"
                           " FROM range(50) AS r(n)")  # fmt: skip
        connection.execute(f"INSERT INTO memory.calendar VALUES ('{first_day}')")
        assert len(ask_guards(connection)) == is_told


def test_first_of_several_months_is_told_and_incidents_without_a_zone_count_by_category() -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH ':memory:' AS {BEFORE}")
        for database, counts in ((BEFORE, (60, 50, 90)), ("memory", (10, 5, 40))):
            fill_side(connection, database, dict(LAST))
            for count, month, zone, offense in zip(
                counts, ("2024-10-10", "2024-11-10", "2024-11-10"), ("'1'", "'1'", "NULL"),
                ("'Fraud' || n", "'Fraud' || n", "'Arson'"), strict=True,
            ):  # fmt: skip
                connection.execute(f"INSERT INTO {database}.incident SELECT DATE '{month}', {zone},"
                                   f" {offense} FROM range({count}) AS r(n)")  # fmt: skip
        connection.execute("INSERT INTO memory.calendar VALUES ('2024-01-15')")
        assert sorted(ask_guards(connection)) == [
            "Arson lost more than 50 % of its incidents in 1 closed months, first in 2024-11-01:"
            " 90 to 40",
            "zone 1 lost more than 50 % of its incidents in 2 closed months, first in 2024-10-01:"
            " 60 to 10",
        ]


@pytest.mark.parametrize(
    ("before", "after", "is_told"), [(100.0, 1.0, False), (101.0, 1.0, True), (1.0, 101.0, True)]
)
def test_small_neighborhood_may_move(before: float, after: float, is_told: bool) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH ':memory:' AS {BEFORE}")
        for database, crimes in ((BEFORE, before), ("memory", after)):
            fill_side(connection, database, {**LAST, "forecast": 5000.0})
            connection.execute(f"INSERT INTO {database}.average_daily VALUES ('B', {crimes})")
        assert len(ask_guards(connection)) == is_told


def test_largest_five_of_the_neighborhoods_that_moved_are_named() -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH ':memory:' AS {BEFORE}")
        for database, factor in ((BEFORE, 100), ("memory", 10)):
            fill_side(connection, database, {**LAST, "forecast": 50_000.0})
            connection.execute(f"INSERT INTO {database}.average_daily SELECT 'B' || n, n * {factor}"
                               " FROM range(2, 8) AS r(n)")  # fmt: skip
        assert ask_guards(connection) == [
            "the forecast of 6 neighborhoods of over 100 crimes a year moved by more than a factor of 3"
            ": " + ", ".join(f"B{n} {n}00 to {n}0" for n in (7, 6, 5, 4, 3))
        ]


@pytest.mark.parametrize(
    ("after", "sentences"),
    [
        (300.0, []),
        (299.0, ["the forecast of 1 neighborhoods of over 100 crimes a year moved by more than a factor"
                 " of 3: B 900 to 299"]),
    ],
)  # fmt: skip
def test_neighborhood_whose_forecast_collapses_is_told(after: float, sentences: list[str]) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH ':memory:' AS {BEFORE}")
        for database, crimes in ((BEFORE, 900.0), ("memory", after)):
            fill_side(connection, database, {**LAST, "forecast": 5000.0})
            connection.execute(f"INSERT INTO {database}.average_daily VALUES ('B', {crimes}), ('C', 99)")
        connection.execute(f"UPDATE {BEFORE}.average_daily SET expected_month_crimes = 1"
                           " WHERE neighborhood = 'C'")  # fmt: skip
        assert ask_guards(connection) == sentences


@pytest.mark.parametrize(
    ("expected", "factor"), [(400.0, 1.0), (500.0, 1.25), (200.0, 2.0), (0.0, 400.0)]
)
def test_forecast_stands_beside_the_newest_observed_year(expected: float, factor: float) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE average_daily AS SELECT {expected} AS expected_month_crimes")
        connection.execute("CREATE TABLE calendar AS SELECT DATE '2021-01-01' + n::INTEGER"
                           " AS calendar_date FROM range(1000) AS r(n)")  # fmt: skip
        connection.execute("CREATE TABLE incident AS SELECT DATE '2023-09-27' - n::INTEGER"
                           " AS occurred_at FROM (FROM range(365) UNION ALL FROM range(35)"
                           " UNION ALL FROM range(500, 900)) AS r(n)")  # fmt: skip
        sentence, found = compare_with_year(connection)
    assert found == pytest.approx(factor)
    assert f"is {expected:,.0f} crimes a year, the newest observed days make 400" in sentence


def run_daily(builds: Path, days: int, *options: str, name: str = "daily.csv") -> int:
    """Refresh from a file of so many days that bears this name; return the exit code."""
    raw = write_daily(builds.parent / name, days)
    return main(["--source", "files", "--raw", str(raw), "--builds", str(builds), "--no-backtest",
                 *options])  # fmt: skip


def read_run(builds: Path) -> dict[str, object]:
    """Return the lineage of the published build."""
    return read_lineage(builds / read_pointer(builds).file)


def list_fetched(builds: Path, select: str) -> list[tuple[object, ...]]:
    """Return the rows of a SELECT on the published build."""
    with duckdb.connect(str(builds / read_pointer(builds).file), read_only=True) as connection:
        return connection.execute(select).fetchall()


def test_first_build_has_nothing_to_be_compared_with(daily_builds: Path) -> None:
    run = read_run(daily_builds)
    assert run["compared_build_id"] is None
    assert (run["guards_fired"], run["is_forced"], run["warnings"]) == ("", False, "")
    assert list_fetched(daily_builds, "FROM build_change") == []


def test_refused_build_is_kept_aside_and_published_only_by_force(
    daily_builds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_pointer(daily_builds)
    (daily_builds / "warehouse-20200101T000000000000Z.duckdb.refused").touch()
    assert run_daily(daily_builds, 60) == 1
    error = capsys.readouterr().err
    refused = list(daily_builds.glob("*.refused"))
    assert len(refused) == 1, "the newest only"
    for words in (before.build_id, "fell from 400 to 240", "from 2021-04-16 to 2021-03-04",
                  str(refused[0]), "FORCE=1"):  # fmt: skip
        assert words in error
    assert read_pointer(daily_builds) == before
    changes = list_changes(daily_builds / before.file, refused[0])
    assert ("incidents by month", "2021-04", 64.0, None) in changes
    assert run_daily(daily_builds, 60, "--force") == 0
    run = read_run(daily_builds)
    assert run["is_forced"] is True
    assert "fell from 400 to 240" in str(run["guards_fired"])
    assert run["compared_build_id"] == before.build_id
    published = list_fetched(
        daily_builds, "SELECT subject, item, value_before, value_after FROM build_change"
    )
    assert published == changes
    assert {row[0] for row in changes} == {
        "rows by raw file", "incidents by month", "forecast by month", "forecast by neighborhood",
        "forecast by category", "hours by suggested patrol",
    }  # fmt: skip


def test_believable_build_passes_and_tells_what_changed(daily_builds: Path) -> None:
    assert run_daily(daily_builds, 104) == 0
    run = read_run(daily_builds)
    assert (run["guards_fired"], run["is_forced"]) == ("", False)
    changes = list_fetched(
        daily_builds, "SELECT subject, item, value_before, value_after FROM build_change"
    )
    months = [row[1:] for row in changes if row[0] == "incidents by month"]
    assert months == [("2021-04", 64.0, 80.0)]


def test_other_files_are_another_feed(daily_builds: Path) -> None:
    first = read_pointer(daily_builds).build_id
    assert run_daily(daily_builds, 60, name="other.csv") == 0
    other = read_run(daily_builds)
    assert other["compared_build_id"] is None
    assert f"the published build {first}, cutoff 2021-04-16, is of other files" in str(other["warnings"])
    assert run_daily(daily_builds, 100) == 0, "compared with the same feed, not with the current build"
    assert read_run(daily_builds)["compared_build_id"] == first


@pytest.mark.slow
def test_builds_that_were_cleaned_otherwise_are_not_compared(daily_builds: Path) -> None:
    first = read_pointer(daily_builds).build_id
    assert run_daily(daily_builds, 60, "--cleaning", "strict") == 0
    strict = read_run(daily_builds)
    assert read_pointer(daily_builds).cleaning == strict["cleaning"] == "strict"
    assert strict["compared_build_id"] is None
    assert "or was cleaned otherwise: this one takes its place" in str(strict["warnings"])
    (told,) = list_fetched(daily_builds, "SELECT text FROM model_card WHERE section = 'Data'")[0]
    assert "(`strict` cleaning)" in str(told)
    assert run_daily(daily_builds, 100) == 0
    assert read_run(daily_builds)["compared_build_id"] == first


@pytest.mark.slow
def test_build_that_was_rolled_back_from_is_not_compared_with(daily_builds: Path) -> None:
    good = read_pointer(daily_builds).build_id
    assert run_daily(daily_builds, 140) == 0
    roll_back(daily_builds)
    assert run_daily(daily_builds, 101) == 0
    assert read_run(daily_builds)["compared_build_id"] == good


def test_damaged_last_build_is_a_warning_on_record(
    daily_builds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = find_build(daily_builds, read_pointer(daily_builds).build_id)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1])
    assert run_daily(daily_builds, 60) == 0
    assert f"{path.name} is damaged" in str(read_run(daily_builds)["warnings"])
    assert f"warning: not compared with a build: {path.name}" in capsys.readouterr().out


def test_each_warning_is_told_once_and_recorded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("warehouse.guards.compare_with_year", lambda _connection: ("far", 1.5))
    raw = write_daily(tmp_path / "daily.csv", 100)
    lines = raw.read_text().splitlines(keepends=True)
    raw.write_text("".join(lines[:160] + lines[260:]))  # 25 days are gone
    options = ["--source", "files", "--raw", str(raw), "--no-backtest"]
    assert main([*options, "--builds", str(tmp_path / "builds")]) == 0
    printed = [line.strip() for line in capsys.readouterr().out.splitlines()]
    told = [line.removeprefix("warning: ") for line in printed if line.startswith("warning: ")]
    assert len(told) == len(set(told)) > 1
    assert told[-1] == "far"
    assert read_run(tmp_path / "builds")["warnings"] == "; ".join(told)


@pytest.mark.parametrize(
    ("factor", "code", "warnings"), one_in(3, [(1.51, 1, ""), (1.5, 0, "far"), (1.2, 0, "")])
)
def test_first_build_far_from_its_own_year_warns_or_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    factor: float, code: int, warnings: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("warehouse.guards.compare_with_year", lambda _connection: ("far", factor))
    assert run_daily(tmp_path / "builds", 100) == code
    if code:
        assert "error: not published: far. It is kept as" in capsys.readouterr().err
    else:
        assert read_run(tmp_path / "builds")["warnings"] == warnings
