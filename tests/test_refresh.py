"""The whole path: raw files in, HTTP answers out; bad input; the same twice."""

import datetime as dt
import gzip
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

import refresh as refresh_module
from refresh import Request, main, refresh
from serve.app import create_app
from tests.raw import GOOD_COBRA_2013, write_daily, write_raw, write_simulated
from warehouse import machine
from warehouse.errors import ShieldError
from warehouse.pointer import read_pointer
from warehouse.read import connect_builds
from warehouse.refresh_record import RECORD, read_refresh
from warehouse.schema import TABLES
from warehouse.settings import ROOT
from warehouse.stages import STAGES
from warehouse.status import look_at_last_refresh

LINEAGE = {"refresh_run"}
FIRST = dt.date(2023, 7, 1)
"""First day of what is read on one core and on two."""
COBRA = ("2019", "2020_to_september", "2020_from_october", "2021")


def fetch(builds: Path, select: str) -> list[tuple[object, ...]]:
    """Return the rows of a SELECT on the published build."""
    with duckdb.connect(str(builds / "current.duckdb"), read_only=True) as connection:
        return connection.execute(select).fetchall()


def test_what_is_not_said_is_as_the_operator_set_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        'source = "files"\nraw = ["a.csv"]\nbuilds = "b"\nraw_folder = "r"\ncity = "x"\n'
        "kept_builds = 7\nkept_refused = 2\nkept_snapshots = 5"
    )
    monkeypatch.setenv("ATLSHIELD_SETTINGS", str(path))
    expected = Request(
        "files",
        tmp_path / "b",
        raw=(tmp_path / "a.csv",),
        city="x",
        kept_builds=7,
        kept_refused=2,
        kept_snapshots=5,
        raw_folder=tmp_path / "r",
    )
    assert refresh_module.parse_arguments([]) == expected
    said = ["--source", "portal", "--builds", "c", "--city", "atlanta"]
    assert refresh_module.parse_arguments(said) == Request(
        "portal", Path("c"), kept_builds=7, kept_refused=2, kept_snapshots=5, raw_folder=tmp_path / "r"
    )
    assert refresh_module.parse_arguments(["--raw", "c.csv"]) == replace(expected, raw=(Path("c.csv"),))


def test_a_disk_that_is_too_small_is_told_before_the_work(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = tmp_path / "raw.csv"
    raw.write_bytes(b"1234567")
    size = Path(published, read_pointer(published).file).stat().st_size
    request = Request("files", published, raw=(raw, tmp_path / "none.csv"))
    assert refresh_module.measure_inputs(request) == (size, 7)
    monkeypatch.setattr("warehouse.machine.BUILD_MB", 2**50)
    with pytest.raises(ShieldError, match="MB free, a refresh needs"):
        refresh(Request("files", tmp_path / "builds", raw=(raw,)))
    assert {path.name for path in (tmp_path / "builds").iterdir()} == {".refresh.lock", RECORD}


def test_small_raw_files_become_http_answers(tmp_path: Path) -> None:
    nibrs = write_daily(tmp_path / "daily.csv", days=80)
    packed = tmp_path / "old.csv.gz"
    rows = [
        {"offense_id": f"13{day:04}", "occur_date": f"02/{day:02}/2013", "rpt_date": f"02/{day:02}/2013",
         "poss_date": f"02/{day:02}/2013"}
        for day in range(1, 29)
    ]  # fmt: skip
    plain = write_raw(tmp_path / "old.csv", rows, "cobra_2013", GOOD_COBRA_2013)
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    builds = tmp_path / "builds"
    published = refresh(Request("files", builds, raw=(nibrs, packed)))
    assert (published.cutoff, published.is_synthetic) == ("2021-03-24", False)
    assert fetch(builds, "SELECT rows_in, rows_kept, rows_rejected FROM refresh_run") == [(348, 348, 0)]
    client = create_app(builds).test_client()
    hours = client.post(
        "/predict_hourly_crime", json={"neighborhood": "Downtown", "month": 4}
    ).get_json()
    assert len(hours) == 24
    assert sum(hour["predicted_crimes"] for hour in hours) == pytest.approx(
        fetch(builds, """SELECT expected_daily_crimes FROM average_daily
                         WHERE neighborhood = 'Downtown' AND month = 4""")[0][0]
    )  # fmt: skip
    assert hours[0]["data_source"] == "Atlanta Police Department open data"
    assert client.get("/charts/hourly/West End/4.png").status_code == 200
    unseen = client.post("/average_daily_crime", json={"neighborhood": "Downtown", "month": 6})
    assert unseen.get_json()["average_daily_crime_count"] is None


def test_same_input_gives_the_same_tables_on_one_core_and_on_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a few neighborhoods: what cores share out are trees and past origins, two of them."""
    raw = write_simulated(tmp_path / "simulated.csv", 60_000, places=5)
    files = {}
    for name, cores in (("one", 1), ("two", 2)):
        monkeypatch.setattr(machine, "available_cores", lambda cores=cores: cores)
        published = refresh(Request("files", tmp_path / name, raw=(raw,), first=FIRST))
        files[name] = tmp_path / name / published.file
    with connect_builds(**files) as connection:
        for table in TABLES:
            if table.name not in LINEAGE:
                for left, right in (("one", "two"), ("two", "one")):
                    more = f"FROM {left}.{table.name} EXCEPT ALL FROM {right}.{table.name} LIMIT 1"
                    assert connection.execute(more).fetchall() == [], table.name


def test_simulated_data_is_called_simulated_in_every_table(published: Path) -> None:
    named = [table.name for table in TABLES if "data_source" in table.column_names]
    assert {table.name for table in TABLES} - set(named) == {
        "offense", "holiday", "data_dictionary", "demographic_area", "area_measure", "area_member",
    }  # fmt: skip
    first = {"build_change", "track_build", "track_record", "mart_track_record"}
    empty = {table.name for table in TABLES if table.empty_where}
    for name in set(named) - first:  # empty in a first build
        if name in empty and not fetch(published, f"FROM {name} LIMIT 1"):
            continue
        assert fetch(published, f"SELECT DISTINCT data_source FROM {name}") == [("simulated data",)]


def test_lineage_adds_up(published: Path) -> None:
    run = fetch(published, """
        SELECT rows_in = rows_kept + rows_rejected, rows_kept = (SELECT count(*) FROM incident),
               rows_rejected = (SELECT sum(row_count) FROM rejected_incident),
               cutoff = (SELECT max(calendar_date) FROM calendar), etl_seconds > 0,
               training_peak_memory_mib > 50, is_synthetic
        FROM refresh_run""")  # fmt: skip
    assert run == [(True,) * 7]


BAD_FILES = {
    "empty.csv": (b"", "empty.csv: the file is empty; expected a header line"),
    "header.csv": (None, "header.csv: the file has a header and no data rows"),
    "cut.csv.gz": (gzip.compress(b"a,b\n" * 50_000)[:-20], "cut.csv.gz: truncated or damaged gz file"),
    "other.csv": (b"name,age\nA,1\n", "other.csv: header matches no known layout; closest is"),
}


@pytest.mark.parametrize("name", [*BAD_FILES, "gone.csv"])
def test_bad_input_is_one_clear_message_and_leaves_the_published_build(
    daily_builds: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    content, message = BAD_FILES.get(name, (b"", "gone.csv: no such file; expected a raw CSV"))
    if name == "header.csv":
        write_raw(path, [])
    elif name != "gone.csv" and content is not None:
        path.write_bytes(content)
    before = read_pointer(daily_builds)
    names = {entry.name for entry in daily_builds.iterdir()}
    capsys.readouterr()
    code = main(["--source", "files", "--raw", str(path), "--builds", str(daily_builds)])
    error = capsys.readouterr().err
    assert code == 1
    assert message in error
    assert error.count("error:") == 1
    assert "Traceback" not in error
    assert read_pointer(daily_builds) == before
    assert {entry.name for entry in daily_builds.iterdir()} == names


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_interrupt_leaves_the_published_build_and_nothing_behind(
    daily_builds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    before = read_pointer(daily_builds)
    names = {entry.name for entry in daily_builds.iterdir()}

    def interrupt(*_: object) -> None:
        if kind is RuntimeError:  # as DuckDB does within a query
            raise RuntimeError("Query interrupted") from KeyboardInterrupt()
        raise KeyboardInterrupt

    monkeypatch.setattr(refresh_module, "fill_forecasts", interrupt)
    raw = write_daily(tmp_path / "again.csv")
    arguments = ["--source", "files", "--raw", str(raw), "--builds", str(daily_builds)]
    assert main(arguments) == 130
    assert read_pointer(daily_builds) == before
    assert {entry.name for entry in daily_builds.iterdir()} == names


def test_command_prints_plain_lines_without_a_terminal(tmp_path: Path) -> None:
    raw = write_daily(tmp_path / "daily.csv", days=60)
    done = subprocess.run(
        [sys.executable, "-m", "refresh", "--source", "files", "--raw", str(raw),
         "--builds", str(tmp_path / "builds")],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert re.fullmatch(r"refresh    \d{8}T\d+Z, files of atlanta", lines[0])
    assert lines[1].startswith("Atlanta Police Department open data: 240 of 240 rows kept, cutoff")
    stages = [line for line in lines if line.split()[0] in {stage.name for stage in STAGES}]
    measure, build_id = r" +\d+\.\d\d s +\d+ MiB  ", r"\d{8}T\d+Z"
    for line, results in zip(stages, (
        f"etl{measure}240 rows of 1 raw file, 240 kept",
        f"training{measure}3 places, 3 months, 864 hours forecast",
        f"backtest{measure}left out: the data holds too few months",
        f"compare{measure}with no earlier build of this feed",
        rf"audit{measure}{len(TABLES)} tables, [\d,]+ rows",
        rf"publish{measure}[\d.]+ MiB in warehouse-{build_id}\.duckdb",
    ), strict=True):  # fmt: skip
        assert re.fullmatch(results, line), line
    assert lines[-1].startswith("published")
    assert done.stderr == ""


@pytest.mark.slow
def test_lines_come_while_the_refresh_runs(tmp_path: Path) -> None:
    """So that a log has those of a refresh that is killed."""
    raw = write_daily(tmp_path / "daily.csv", days=60)
    builds = tmp_path / "builds"
    with subprocess.Popen(
        [sys.executable, "-m", "refresh", "--source", "files", "--raw", str(raw),
         "--builds", str(builds)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().startswith("refresh    ")
        process.kill()  # it has stages to go
        rest = process.stdout.read()
    assert "published" not in rest
    record = read_refresh(builds)
    assert record is not None
    assert (record.last.outcome, record.last.ended_at) == (None, None)
    assert look_at_last_refresh(builds).fault is not None


@pytest.mark.slow
@pytest.mark.real_data
def test_real_cobra_files_publish_a_sane_forecast(tmp_path: Path, real_data: Path) -> None:
    raw = tuple(real_data / f"cobra_{name}.csv.gz" for name in COBRA)
    refresh(Request("files", tmp_path, raw=raw))
    check_published(tmp_path)
    assert fetch(tmp_path, "SELECT rows_in FROM refresh_run") == [(68_507,)]


@pytest.mark.slow
@pytest.mark.real_data
def test_real_nibrs_sample_publishes_a_sane_forecast(tmp_path: Path, real_data: Path) -> None:
    refresh(Request("files", tmp_path, raw=(real_data / "apd_nibrs_sample_2021_2023.csv.gz",)))
    check_published(tmp_path)


def check_published(builds: Path) -> None:
    """Hold a published build of real data against what was promised of it."""
    assert fetch(builds, """
        SELECT count(*) = (SELECT count(*) * 288 FROM neighborhood),
               count(*) = count(expected_crimes + baseline_crimes + observed_crimes),
               count(*) FILTER (suggested_patrol NOT IN (SELECT patrol_type FROM offense)) = 0
        FROM forecast_hourly""") == [(True, True, True)]  # fmt: skip
    ratio = fetch(builds, """
        SELECT (SELECT sum(expected_month_crimes) FROM average_daily) / count(*)
        FROM incident, refresh_run WHERE occurred_at::DATE > cutoff - INTERVAL 12 MONTH
    """)[0][0]  # fmt: skip
    assert 0.85 < float(str(ratio)) < 1.15
    assert fetch(builds, """
        SELECT DISTINCT value BETWEEN 0.8 AND 1.0 FROM backtest_score
        WHERE model = 'base_and_forest' AND metric = 'deviance_to_reference'
    """) == [(True,)]  # fmt: skip
