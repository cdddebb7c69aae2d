"""The feed profile, by its data series; and that the command writes a picture or says why not."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from etl.__main__ import main
from etl.feed_chart import COLORS, MAX_BARS, MAX_BREAKS, make_figure, place_day
from etl.feed_profile import FeedProfile, FileShare, LevelBreak, MonthlyRate, load_profile
from etl.simulate import YEARS
from tests.charts import find_overlaps
from tests.one_in import one_in
from tests.serve.builds import copy_builds, list_open_builds


def shares(values: dict[str, float], limit: float) -> tuple[FileShare, ...]:
    """Return findings of a share check."""
    return tuple(FileShare(subject, value, limit, value > limit) for subject, value in values.items())


RATES = tuple(
    MonthlyRate(subject, dt.date.fromisoformat(month), days, rate)
    for month, days, society, total in (
        ("2021-01-01", 31, 1.0, 5.0), ("2021-02-01", 28, 2.0, 6.0), ("2021-05-01", 31, 3.0, 7.0),
        ("2021-06-01", 10, 9.0, 9.0),
    )
    for subject, rate in (("Society", society), ("all", total))
)  # fmt: skip
PROFILE = FeedProfile(
    city="Atlanta",
    cutoff=dt.date(2021, 6, 10),
    data_source="Atlanta Police Department open data",
    rates=RATES,
    gaps=(dt.date(2021, 3, 1), dt.date(2021, 4, 1)),
    breaks=(LevelBreak(dt.date(2021, 5, 1), "Society", 3.0, 1.5),),
    missing_shares=shares({"a.csv:NPU": 0.4, "a.csv:NhoodName": 0.1}, 0.3),
    midnight_shares=shares({"a.csv": 0.02}, 0.05),
    delay_shares=tuple(np.linspace(0.7, 1, 181).tolist()),
)


def find_axes(figure: Figure, label: str) -> Axes:
    """Return the axes with a label."""
    (axes,) = (axes for axes in figure.axes if axes.get_label() == label)
    return axes


def list_texts(axes: Axes) -> list[str]:
    """Return the texts within the axes."""
    return [text.get_text() for text in axes.texts]


def test_months_are_lines_that_break_at_gaps_and_leave_thin_months_out() -> None:
    axes = find_axes(make_figure(PROFILE), "months")
    society, total = axes.lines[:2]
    assert (society.get_label(), total.get_label()) == ("Society", "all")
    assert society.get_color() == COLORS["Society"]
    np.testing.assert_array_equal(society.get_ydata(), [1, 2, np.nan, np.nan, 3, np.nan])
    np.testing.assert_array_equal(total.get_ydata(), [5, 6, np.nan, np.nan, 7, np.nan])


def test_months_that_are_all_thin_leave_no_line() -> None:
    profile = replace(
        PROFILE, rates=tuple(rate._replace(observed_days=5) for rate in RATES), gaps=(), breaks=()
    )
    figure = make_figure(profile)
    assert not find_axes(figure, "months").lines
    assert list_texts(find_axes(figure, "notes")) == ["No break in level"]


def test_gaps_are_shaded_month_by_month_and_named_once() -> None:
    axes = find_axes(make_figure(PROFILE), "months")
    shaded = [(patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches]  # type: ignore[attr-defined]  # rectangles
    march, april, may = (place_day(dt.date(2021, month, 1)) for month in (3, 4, 5))
    assert shaded == [(march, april), (april, may)]
    assert axes.get_legend_handles_labels()[1] == ["Society", "all", "covered by no file"]


def test_breaks_are_numbered_in_the_middle_of_their_step_and_explained_beside() -> None:
    figure = make_figure(PROFILE)
    axes = find_axes(figure, "months")
    (number,) = axes.texts
    assert number.get_text() == "1"
    assert number.xy == (place_day(dt.date(2021, 5, 1)), 2.25)  # type: ignore[attr-defined]  # an annotation
    assert list_texts(find_axes(figure, "notes")) == [
        "Breaks in level\n1  2021-05  1.5 → 3 a day\n     Society"
    ]


def test_more_breaks_than_can_be_read_are_counted() -> None:
    breaks = tuple(LevelBreak(dt.date(2010 + year, 1, 1), "Society", 3, 1) for year in range(11))
    profile = replace(PROFILE, breaks=breaks)
    (text,) = list_texts(find_axes(make_figure(profile), "notes"))
    assert text.splitlines()[-1] == f"{11 - MAX_BREAKS} more in feed_health"


def test_each_axes_says_what_it_shows() -> None:
    axes = {str(axes.get_label()): axes for axes in make_figure(PROFILE).axes}
    found = {
        label: (one.get_title(loc="left"), one.get_xlabel(), one.get_ylabel())
        for label, one in axes.items()
    }
    percent = "Share of rows, %; dashed: warning"
    assert found == {
        "months": (
            "Incidents by month of occurrence and crime against", "", "Incidents per observed day",
        ),
        "notes": ("", "", ""),
        "delay": (
            "Reported within days of the occurrence", "Days, 0 for the same day",
            "Share of incidents, %",
        ),
        "missing": ("Missing or unreadable values by column", percent, ""),
        "midnight": ("Occurred at exactly 00:00, by file", percent, ""),
    }  # fmt: skip
    assert not any(one.spines["top"].get_visible() for label, one in axes.items() if label != "notes")


def test_months_lie_above_the_rest_and_breaks_below_the_legend_beside_them() -> None:
    figure = make_figure(PROFILE)
    figure.draw_without_rendering()
    months, notes, *below = (
        find_axes(figure, label).get_position()
        for label in ("months", "notes", "delay", "missing", "midnight")
    )
    assert min(months.height, *(box.height for box in below)) > 0.25
    assert months.y0 > max(box.y1 for box in below)
    assert 0 < months.x0 < months.x1 < notes.x0 < notes.x1 < 1
    assert sorted(edge for box in below for edge in (box.x0, box.x1)) == [
        edge for box in below for edge in (box.x0, box.x1)
    ]
    axes = find_axes(figure, "notes")
    legend = axes.get_legend()
    assert legend is not None
    text, names = axes.texts[0].get_window_extent(), legend.get_window_extent()
    assert axes.bbox.y0 <= text.y0 < text.y1 < names.y0 < names.y1 <= axes.bbox.y1


def test_delay_is_the_cumulative_share_on_a_stretched_axis() -> None:
    axes = find_axes(make_figure(PROFILE), "delay")
    (line,) = axes.lines
    np.testing.assert_array_equal(line.get_xdata(), range(181))
    np.testing.assert_allclose(
        np.asarray(line.get_ydata(), dtype=np.float64), 100 * np.array(PROFILE.delay_shares)
    )
    assert [tick.get_text() for tick in axes.get_xticklabels()] == [
        "0",
        "1",
        "3",
        "7",
        "30",
        "90",
        "180+",
    ]


def test_delay_axis_begins_at_a_multiple_of_five_some_two_below_the_first_share() -> None:
    for first, bottom in ((0.7, 65), (0.72, 70), (0.01, -5)):
        shares = tuple(np.linspace(first, 1, 181).tolist())
        axes = find_axes(make_figure(replace(PROFILE, delay_shares=shares)), "delay")
        assert axes.get_ylim() == (bottom, 100.5)
        assert list_texts(axes)[0] == f"{100 * first:.1f} %"


def test_build_without_delays_says_so_in_their_place() -> None:
    axes = find_axes(make_figure(replace(PROFILE, delay_shares=())), "delay")
    assert list_texts(axes) == ["no incident is old enough"]


def test_shares_are_bars_with_the_largest_on_top() -> None:
    figure = make_figure(PROFILE)
    axes = find_axes(figure, "missing")
    assert [bar.get_width() for bar in axes.patches] == [10, 40]  # type: ignore[attr-defined]  # rectangles
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["NhoodName", "NPU"]
    assert axes.patches[0].get_facecolor() != axes.patches[1].get_facecolor()
    midnight = find_axes(figure, "midnight")
    assert [bar.get_width() for bar in midnight.patches] == [2]  # type: ignore[attr-defined]  # rectangles
    assert [tick.get_text() for tick in midnight.get_yticklabels()] == ["a"]


@pytest.mark.parametrize(("count", "limit"), [(1, 0.9), (2, 0.3), (MAX_BARS, 0.3), (20, 0.01)])
def test_bars_stand_apart_within_the_axes_and_so_does_the_limit(count: int, limit: float) -> None:
    many = shares({f"a.csv:c{number}": (number + 1) / 40 for number in range(count)}, limit)
    axes = find_axes(make_figure(replace(PROFILE, missing_shares=many)), "missing")
    boxes = [bar.get_bbox() for bar in axes.patches]  # type: ignore[attr-defined]  # rectangles
    bottom, top = axes.get_ylim()
    edges = [bottom, *(edge for box in boxes for edge in (box.y0, box.y1)), top]
    assert edges == sorted(set(edges))
    left, right = axes.get_xlim()
    assert left == 0
    assert 0.8 * right < max(100 * limit, *(box.x1 for box in boxes)) < right
    (line,) = axes.lines
    assert line.get_xdata() == [100 * limit] * 2


def test_columns_of_several_files_name_their_file_and_the_title_says_how_many() -> None:
    many = {f"{file}.csv.gz:c{number}": number / 99 for file in "ab" for number in range(10)}
    profile = replace(PROFILE, missing_shares=shares(many, 0.3))
    axes = find_axes(make_figure(profile), "missing")
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert len(labels) == MAX_BARS
    assert set(labels[-2:]) == {"c9, a", "c9, b"}
    assert axes.get_title(loc="left").endswith(f"(largest {MAX_BARS} of 20)")


@pytest.mark.parametrize(("source", "across"), [("simulated data", ["SIMULATED DATA"]), ("APD", [])])
def test_simulated_data_is_called_simulated_across_the_picture(source: str, across: list[str]) -> None:
    figure = make_figure(replace(PROFILE, data_source=source))
    assert [text.get_text() for text in figure.texts if text.get_rotation()] == across
    assert figure.get_suptitle() == "Atlanta: feed health, cutoff 2021-06-10"
    assert figure.get_supxlabel() == f"Source: {source}"


def test_command_draws_the_published_build(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "profile.png"
    assert main(["profile", "--builds", str(published), "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out == f"feed profile written to {out}\n"


def test_profile_holds_the_rates_shares_and_delays_of_the_tables(published: Path) -> None:
    profile = load_profile(published)
    subjects = {rate.subject for rate in profile.rates}
    assert len(profile.rates) == len(subjects) * 12 * len(YEARS)
    with duckdb.connect(str(published / "current.duckdb"), read_only=True) as connection:
        january = connection.execute(
            "SELECT count(*) / 31 FROM incident WHERE occurred_at < DATE '2021-02-01'"
        ).fetchone()
        missing = connection.execute(
            "SELECT subject, value, expected_value, is_warning FROM feed_health"
            " WHERE health_check = 'missing_share' ORDER BY finding_number"
        ).fetchall()
        delays = connection.execute(
            "SELECT cumulative_share FROM report_delay ORDER BY delay_days"
        ).fetchall()
    (rate,) = (rate for rate in profile.rates if rate[:2] == ("all", dt.date(2021, 1, 1)))
    assert (rate.observed_days, (rate.incidents_per_day,)) == (31, january)
    assert list(profile.missing_shares) == missing
    assert [(share,) for share in profile.delay_shares] == delays
    assert (profile.gaps, profile.breaks) == ((), ())


def test_profile_holds_gaps_and_breaks_by_month_and_subject(published: Path, tmp_path: Path) -> None:
    found = "'', 'APD'"
    builds = copy_builds(
        published, tmp_path,
        "INSERT INTO feed_health VALUES"
        f" (901, 'level_break', 'all', DATE '2022-05-01', 3, 2, true, {found}),"
        f" (902, 'level_break', 'Society', DATE '2021-05-01', 1.5, 0.5, true, {found}),"
        f" (903, 'level_break', 'Person', DATE '2022-05-01', 1, 4, true, {found}),"
        f" (904, 'missing_month', 'all', DATE '2021-03-01', 0, 31, true, {found})",
    )  # fmt: skip
    profile = load_profile(builds)
    assert profile.gaps == (dt.date(2021, 3, 1),)
    assert profile.breaks == (
        LevelBreak(dt.date(2021, 5, 1), "Society", rate_after=1.5, rate_before=0.5),
        LevelBreak(dt.date(2022, 5, 1), "Person", rate_after=1, rate_before=4),
        LevelBreak(dt.date(2022, 5, 1), "all", rate_after=3, rate_before=2),
    )
    assert list_open_builds(builds) == []


def test_profile_comes_in_its_order_whatever_the_order_of_the_rows(
    published: Path, tmp_path: Path
) -> None:
    orders = {"feed_health": "finding_number", "report_delay": "delay_days"}
    reverse = [
        statement
        for table, key in orders.items()
        for statement in (
            f"CREATE TABLE reversed AS SELECT * FROM {table} ORDER BY {key} DESC",
            f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM reversed", "DROP TABLE reversed",
        )
    ]  # fmt: skip
    break_found = "VALUES (901, 'level_break', 'all', DATE '2022-05-01', 3, 2, true, '', 'APD')"
    builds = copy_builds(published, tmp_path, *reverse, f"INSERT INTO feed_health {break_found}")
    profile = load_profile(builds)
    assert replace(profile, breaks=()) == load_profile(published)
    assert list(profile.rates) == sorted(profile.rates)


def test_build_of_a_hundred_days_can_be_drawn(daily_builds: Path, tmp_path: Path) -> None:
    out = tmp_path / "profile.png"
    assert main(["profile", "--builds", str(daily_builds), "--out", str(out)]) == 0
    assert out.exists()


def test_without_a_build_the_command_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "--builds", str(tmp_path)]) == 1
    assert "error: no published build" in capsys.readouterr().err


def test_picture_that_cannot_be_written_is_an_error(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "nowhere" / "profile.png"
    assert main(["profile", "--builds", str(published), "--out", str(out)]) == 1
    assert f"error: cannot write the feed profile to {out}" in capsys.readouterr().err


def test_build_of_an_earlier_version_is_told_to_refresh(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "builds"
    old.mkdir()
    for file in published.glob("*.json"):
        (old / file.name).write_bytes(file.read_bytes())
    name = (published / "current.duckdb").resolve().name
    with duckdb.connect(str(old / name)) as connection:
        connection.execute(
            "CREATE TABLE refresh_run AS"
            " SELECT 'Atlanta' AS city, DATE '2021-01-01' AS cutoff, 'APD' AS data_source"
        )
    assert main(["profile", "--builds", str(old)]) == 1
    assert "holds no feed health: run `make refresh` first" in capsys.readouterr().err


@pytest.mark.parametrize("breaks", one_in(2, [MAX_BREAKS + 2, 0, 1, MAX_BREAKS]))
def test_nothing_written_lies_on_axes_or_on_another_text(breaks: int) -> None:
    found = tuple(
        LevelBreak(dt.date(2021, 1 + n % 2, 1), "Society", 3.0 + n, 1.5) for n in range(breaks)
    )
    subjects = [subject for subject in COLORS if subject not in ("Society", "all")]
    rates = [*RATES, *(RATES[0]._replace(subject=subject) for subject in subjects)]
    assert find_overlaps(make_figure(replace(PROFILE, rates=tuple(rates), breaks=found))) == []
