"""Plans of a published build: what was asked, what is written, and what it follows from."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from planner.__main__ import main
from planner.cells import read_cells
from planner.levels import estimate_overdispersion
from planner.plan import Plan, make_plan
from planner.plan_charts import CHARTS
from planner.plan_files import write_plan
from planner.request import read_request
from planner.summary import describe_plan
from planner.trade_off import find_gini
from tests.planner.requests import BASE, FLOORS, write_request
from warehouse import settings
from warehouse.errors import ShieldError
from warehouse.files import hash_file
from warehouse.pointer import PublishedBuild, read_pointer
from warehouse.read import connect_published
from warehouse.schema import PLAN_TABLES
from warehouse.tables_plan import (
    GREEDY,
    LINEAR,
    PLAN_HOURS_TABLE,
    PLAN_LIMIT_TABLE,
    PLAN_NEIGHBORHOOD_TABLE,
    PLAN_REQUEST_TABLE,
    PLAN_TRADE_OFF_TABLE,
)

Ask = Callable[[str], Plan]


@pytest.fixture
def ask(few_places: Path, tmp_path: Path) -> Ask:
    """A function from the text of a request to its plan of a small build."""

    def make(text: str) -> Plan:
        request = read_request(write_request(tmp_path, text))
        with connect_published(few_places) as (published, connection):
            return make_plan(connection, published, request)

    return make


@pytest.fixture(scope="module")
def floored(few_places: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Path]:
    """A plan with floors, and its folder."""
    folder = tmp_path_factory.mktemp("plan")
    request = read_request(write_request(folder, BASE + FLOORS))
    return write_plan(few_places, request, folder / "out"), folder / "out"


@pytest.fixture(scope="module")
def made(floored: tuple[Plan, Path]) -> Path:
    """The folder of a plan with floors."""
    return floored[1]


@pytest.fixture(scope="module")
def free(few_places: Path, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A plan without floors."""
    request = read_request(write_request(tmp_path_factory.mktemp("free"), BASE))
    with connect_published(few_places) as (published, connection):
        return make_plan(connection, published, request)


def query(builds: Path, sql: str) -> pd.DataFrame:
    """Return what SQL on the published build answers."""
    with connect_published(builds) as (_, connection):
        return connection.execute(sql).df()


def change_copy(builds: Path, folder: Path, sql: str) -> Path:
    """Return a copy of a folder of builds whose published build was changed by SQL."""
    copy = Path(shutil.copytree(builds, folder / "builds", symlinks=True))
    path = copy / read_pointer(copy).file
    path.chmod(0o600)
    with duckdb.connect(str(path)) as connection:
        connection.execute(sql)
    return copy


def test_hours_fit_their_budgets_and_add_up(free: Plan, few_places: Path) -> None:
    hours = free[PLAN_HOURS_TABLE]
    places = query(few_places, "FROM neighborhood")
    assert len(hours) == len(places) * 7 * 2 * 4
    spent = hours.pivot_table(
        index="iso_weekday", columns=["shift", "patrol_type"], values="hours", aggfunc="sum"
    )
    assert spent["day", "Vehicle Patrol"].tolist() == [40, 40, 40, 40, 40, 60, 60]
    assert spent["night", "Foot Patrol"].tolist() == [6] * 7
    assert not spent["day", "Bicycle Patrol"].any()
    facts = free[PLAN_REQUEST_TABLE].iloc[0]
    assert facts["solver"] == GREEDY
    assert facts["planned_hours"] == facts["budget_hours"] == hours["hours"].sum()
    assert facts["forecast_month"].month == facts["month"] == 7
    assert facts["cutoff"] == read_pointer(few_places).cutoff
    week = query(
        few_places,
        """
        SELECT sum(expected_crimes) AS crimes, sum(expected_reported_crimes) AS reported
        FROM forecast_hourly_weekday WHERE month = 7""",
    )
    assert hours["expected_crimes"].sum() == pytest.approx(week["crimes"][0])
    assert hours["expected_reported_crimes"].sum() == pytest.approx(week["reported"][0])


def test_hours_behind_midnight_belong_to_the_day_before(few_places: Path, tmp_path: Path) -> None:
    request = read_request(write_request(tmp_path, BASE))
    with connect_published(few_places) as (published, connection):
        cells = read_cells(connection, published.build_id, request)
    place = cells["neighborhood"].min()
    night = cells[(cells["neighborhood"] == place) & (cells["shift"] == "night")]
    found = night.groupby("iso_weekday")["expected_crimes"].sum()
    rows = query(
        few_places, f"FROM forecast_hourly_weekday WHERE month = 7 AND neighborhood = '{place}'"
    )
    crimes = rows.set_index(["iso_weekday", "hour"])["expected_crimes"]
    for day in range(1, 8):
        hours = [(day, hour) for hour in range(19, 24)] + [(day % 7 + 1, hour) for hour in range(7)]
        assert found[day] == pytest.approx(sum(crimes[hour] for hour in hours))


def test_demand_is_what_the_request_counts(ask: Ask, free: Plan) -> None:
    reported, everything = free, ask('demand = "all"\n' + BASE)
    for plan, column in ((reported, "expected_reported_crimes"), (everything, "expected_crimes")):
        places = plan[PLAN_NEIGHBORHOOD_TABLE]
        assert np.allclose(places["hours_per_expected_crime"], places["hours"] / places[column])
    assert not reported[PLAN_HOURS_TABLE]["hours"].equals(everything[PLAN_HOURS_TABLE]["hours"])


def test_places_left_out_get_nothing_and_are_told_apart(ask: Ask, few_places: Path) -> None:
    names = query(few_places, "SELECT neighborhood FROM neighborhood ORDER BY incident_count DESC")
    busiest = names["neighborhood"][0]
    plan = ask(f'left_out = ["{busiest.upper()}"]\n' + BASE)
    assert set(plan[PLAN_NEIGHBORHOOD_TABLE]["neighborhood"]) == set(names["neighborhood"]) - {busiest}
    with pytest.raises(ShieldError, match=f"left_out: .* no '{busiest}x'; did you mean '{busiest}'"):
        ask(f'left_out = ["{busiest}x"]\n' + BASE)
    with pytest.raises(ShieldError, match="left_out: no place is left"):
        ask(f"left_out = {json.dumps(names['neighborhood'].tolist())}\n" + BASE)


def test_floors_and_caps_hold_and_those_that_bind_are_told(ask: Ask, few_places: Path) -> None:
    plan = ask(BASE + FLOORS + "[caps]\nvehicle = 12\n")
    hours = plan[PLAN_HOURS_TABLE]
    assert plan[PLAN_REQUEST_TABLE]["solver"].tolist() == [LINEAR]
    zones = hours.groupby(["zone", "shift", "iso_weekday"])["hours"].sum()
    assert (zones[:, "day"] >= 6).all()
    assert (zones[:, "night"] >= 4).all()
    assert (hours.groupby("neighborhood")["hours"].sum() >= 3).all()
    assert (hours.loc[hours["patrol_type"] == "Vehicle Patrol", "hours"] <= 12).all()
    limits = plan[PLAN_LIMIT_TABLE]
    assert set(limits["limit_kind"]) >= {"budget", "cap"}
    assert limits["shadow_price"].is_monotonic_decreasing
    caps = limits[limits["limit_kind"] == "cap"]
    at_cap = hours[(hours["patrol_type"] == "Vehicle Patrol") & (hours["hours"] == 12)]
    assert 0 < len(caps) <= len(at_cap)
    assert caps["description"].str.contains("all 12 hours in ").all()


def test_floors_of_one_place_and_one_zone_come_before_those_of_all(ask: Ask, free: Plan) -> None:
    place = free[PLAN_NEIGHBORHOOD_TABLE].sort_values("hours")["neighborhood"].iloc[0]
    zone = free[PLAN_NEIGHBORHOOD_TABLE].groupby("zone")["hours"].sum().idxmin()
    own = f'[floors]\nneighborhood_week = 25\n[floors.neighborhoods]\n"{place}" = 50\n'
    places = ask(BASE + own)[PLAN_NEIGHBORHOOD_TABLE].set_index("neighborhood")
    assert places["hours"][place] == 50
    assert free[PLAN_NEIGHBORHOOD_TABLE]["hours"].min() < 25 == places["hours"].min()
    hours = ask(BASE + f'[floors.zones."{zone}"]\nnight = 20\n')[PLAN_HOURS_TABLE]
    night = hours[(hours["zone"] == zone) & (hours["shift"] == "night")]
    assert (night.groupby("iso_weekday")["hours"].sum() == 20).all()
    with pytest.raises(ShieldError, match="floors.zones: the build knows no 'North'"):
        ask(BASE + "[floors.zones.North]\nnight = 20\n")
    with pytest.raises(ShieldError, match="floors.neighborhoods: the build knows no 'Gotham'"):
        ask(BASE + "[floors.neighborhoods]\nGotham = 20\n")


def test_floor_of_a_place_that_is_named_twice_or_left_out_is_refused(ask: Ask, few_places: Path) -> None:
    rows = query(few_places, "FROM neighborhood WHERE zone IS NOT NULL ORDER BY ALL")
    place, zone = rows["neighborhood"][0], rows["zone"][0]
    for key, one, other, hours in (
        ("neighborhoods", place.upper(), place.lower(), "40"),
        ("zones", zone, f"{zone}.", "{ day = 2 }"),
    ):
        with pytest.raises(ShieldError) as caught:
            ask(BASE + f'[floors.{key}]\n"{one}" = {hours}\n"{other}" = {hours}\n')
        assert f"floors.{key}: {one!r} and {other!r} are one place" in str(caught.value)
    left_out = f'left_out = ["{place.upper()}"]\n'
    with pytest.raises(
        ShieldError, match=f"floors.neighborhoods: '{place}' has a floor, but is left out"
    ):
        ask(left_out + BASE + f'[floors.neighborhoods]\n"{place}" = 4\n')
    in_zone = rows.loc[rows["zone"] == zone, "neighborhood"].tolist()
    with pytest.raises(ShieldError, match=f"'{zone}' has a floor, but every neighborhood of it is left"):
        ask(f'left_out = {json.dumps(in_zone)}\n{BASE}[floors.zones."{zone}"]\nday = 2\n')


def test_floors_that_cannot_be_met_are_named_with_the_hours_they_lack(ask: Ask, free: Plan) -> None:
    zone = free[PLAN_NEIGHBORHOOD_TABLE]["zone"].dropna().min()
    with pytest.raises(ShieldError) as caught:
        ask(BASE + f'[floors.zones."{zone}"]\nnight = 40\n')
    assert str(caught.value).startswith(
        "asked.toml: floors: the budgets and caps of hours cannot meet them: neighborhoods ask for 0"
        " hours a week, zones for 280, and 642 can be placed; "
        f"zone {zone}, Monday, night lacks 4 of 40 hours"
    )
    assert "; and 2 more" in str(caught.value)
    place = free[PLAN_NEIGHBORHOOD_TABLE]["neighborhood"].min()
    capped = f'[caps]\nfoot = 1\nvehicle = 1\n[floors.neighborhoods]\n"{place}" = 30\n'
    with pytest.raises(ShieldError, match=f"the week of {place} lacks 2 of 30 hours$"):
        ask(BASE + capped)
    with pytest.raises(ShieldError) as caught:
        ask(BASE + FLOORS.replace("neighborhood_week = 3", "neighborhood_week = 70"))
    total, *lacks = str(caught.value).split("; ")
    assert "neighborhoods ask for 840 hours a week, zones for " in total
    assert all(words.startswith(("the week of ", "and ")) for words in lacks)
    hours = [float(words.split(" lacks ")[1].split()[0]) for words in lacks if " lacks " in words]
    assert hours == sorted(hours, reverse=True)


def test_same_request_gives_the_same_tables_whatever_the_order_of_rows(
    few_places: Path, tmp_path: Path, made: Path
) -> None:
    builds = change_copy(
        few_places,
        tmp_path,
        "".join(
            f"CREATE TABLE shuffled AS FROM {name} ORDER BY hash({name}::VARCHAR); DELETE FROM {name};"
            f" INSERT INTO {name} FROM shuffled; DROP TABLE shuffled;"
            for name in ("forecast_hourly", "forecast_hourly_weekday", "neighborhood", "average_daily")
        ),
    )
    request = read_request(write_request(tmp_path, BASE + FLOORS))
    write_plan(builds, request, tmp_path / "out")
    for declared in PLAN_TABLES:
        one, other = (folder / f"{declared.name}.csv" for folder in (made, tmp_path / "out"))
        assert one.read_bytes() == other.read_bytes(), declared.name


def test_another_build_or_request_is_another_plan(
    few_places: Path, tmp_path: Path, ask: Ask, free: Plan
) -> None:
    request = read_request(write_request(tmp_path, BASE))
    with connect_published(few_places) as (published, connection):
        build = PublishedBuild(**{**vars(published), "build_id": "other"})
        other = make_plan(connection, build, request)
    assert len({free.plan_id, other.plan_id, ask(BASE + "# more words\n").plan_id}) == 3
    assert ask(BASE).plan_id == free.plan_id


def test_build_and_seed_decide_who_comes_first_among_equals(few_places: Path, tmp_path: Path) -> None:
    orders = []
    for build_id, seed in (("a", 1), ("a", 2), ("b", 1), ("a", 1)):
        request = read_request(write_request(tmp_path, f"seed = {seed}\n{BASE}"))
        with connect_published(few_places) as (_, connection):
            cells = read_cells(connection, build_id, request)
        orders.append(cells[["neighborhood", "iso_weekday", "shift", "patrol_type"]])
    assert orders[0].equals(orders[3])
    assert not any(orders[0].equals(other) for other in orders[1:3])


def test_seed_decides_ranges(ask: Ask, free: Plan) -> None:
    one, two = (plan[PLAN_NEIGHBORHOOD_TABLE] for plan in (free, ask("seed = 2\n" + BASE)))
    assert not one["hours_upper_80"].equals(two["hours_upper_80"])
    assert (one["hours_upper_80"] > one["hours_lower_80"]).any()


@pytest.mark.parametrize("unit", [1, 2])
def test_unit_scales_hours_ranges_and_prices(ask: Ask, free: Plan, unit: int) -> None:
    plan = free if unit == 1 else ask(f"unit_hours = {unit}\n{BASE}")
    hours, places = plan[PLAN_HOURS_TABLE], plan[PLAN_NEIGHBORHOOD_TABLE]
    assert set(hours["hours"] % unit) == {0.0}
    assert hours["hours"].sum() == free[PLAN_HOURS_TABLE]["hours"].sum()
    inside = places["hours"].between(places["hours_lower_80"], places["hours_upper_80"])
    assert inside.mean() > 0.8
    slope = hours["expected_reported_crimes"] / (hours["hours"] / unit + 0.5) / unit
    keys = ["iso_weekday", "shift", "patrol_type"]
    limits = plan[PLAN_LIMIT_TABLE].set_index(keys)["shadow_price"]
    best = slope.groupby([hours[key] for key in keys]).max()
    assert len(limits) == 7 * 2 * 2
    assert np.allclose(limits, best.reindex(limits.index))
    words = "one hour more" if unit == 1 else "2 hours more"
    assert plan[PLAN_LIMIT_TABLE]["description"].str.contains(f": {words} would add ").all()


def test_trade_off_says_what_fairness_and_floors_cost(
    ask: Ask, free: Plan, floored: tuple[Plan, Path]
) -> None:
    rows = floored[0][PLAN_TRADE_OFF_TABLE].set_index(["fairness", "floor_multiple"])
    before, after = free[PLAN_HOURS_TABLE], floored[0][PLAN_HOURS_TABLE]
    moved = (before["hours"] - after["hours"]).clip(lower=0).sum() / before["hours"].sum()
    patrolled = after.loc[after["hours"] > 0, "expected_reported_crimes"].sum()
    assert moved > 0
    asked = rows[rows["is_request"]].iloc[0]
    assert asked["moved_share"] == pytest.approx(moved)
    assert asked["patrolled_share"] == pytest.approx(patrolled / after["expected_reported_crimes"].sum())
    lost = 1 - asked["objective"] / free[PLAN_REQUEST_TABLE]["objective"][0]
    assert asked["objective_loss_share"] == pytest.approx(lost)
    assert rows.index[rows["is_request"]].tolist() == [(1.0, 1.0)]
    assert {multiple for fairness, multiple in rows.index if fairness == 1} == {0.0, 0.5, 1.0, 2.0}
    without = rows.xs(0.0, level="floor_multiple")
    assert without["patrolled_share"].is_monotonic_increasing
    assert without["neighborhoods_without_hours"].is_monotonic_decreasing
    assert (without["objective_loss_share"] == 0).all()
    own = rows.loc[1.0].dropna()
    assert own["objective"].is_monotonic_decreasing
    assert own["objective_loss_share"].is_monotonic_increasing
    tight = ask(BASE + "[floors.zone_shift]\nday = 9\n")[PLAN_TRADE_OFF_TABLE]
    too_much = tight[tight["floor_multiple"] == 2.0]
    assert not too_much["is_feasible"].any()
    assert too_much["objective"].isna().all()


def test_city_without_zones_has_plans_and_no_floors_for_them(few_places: Path, tmp_path: Path) -> None:
    builds = change_copy(few_places, tmp_path, "UPDATE neighborhood SET zone = NULL")
    places = "[floors]\nneighborhood_week = 3\n"
    plan = write_plan(builds, read_request(write_request(tmp_path, BASE + places)), tmp_path / "out")
    assert plan[PLAN_NEIGHBORHOOD_TABLE]["hours"].min() >= 3
    with pytest.raises(ShieldError, match="floors.zone_shift: the build knows no zones"):
        write_plan(builds, read_request(write_request(tmp_path, BASE + FLOORS)), tmp_path / "out")


def test_gini_by_hand() -> None:
    assert find_gini(np.array([2.0, 4.0]), np.array([1.0, 2.0])) == pytest.approx(0)
    # Half of the crimes have no hours: the curve runs along the axis to the middle, then up.
    assert find_gini(np.array([0.0, 4.0]), np.array([1.0, 1.0])) == pytest.approx(0.5)
    assert find_gini(np.array([1.0, 5.0]), np.array([1.0, 0.0])) == pytest.approx(0)
    assert find_gini(np.zeros(2), np.ones(2)) == 0


def test_overdispersion_is_read_back_from_intervals() -> None:
    from models.interval import find_interval

    random = np.random.default_rng(3)
    true = random.choice([0.02, 0.1], 200)
    expected = np.repeat(random.uniform(15, 60, 200), 12)
    shared = 0.01
    interval = find_interval(expected, np.repeat(true, 12) + shared, np.full(2400, 0.1))
    city = find_interval(np.full(12, 20_000.0), np.full(12, shared), np.full(12, 0.1))
    places = pd.DataFrame({
        "neighborhood": np.repeat([f"p{number:03}" for number in range(200)], 12),
        "month": np.tile(range(1, 13), 200), "expected_month_crimes": expected,
        "month_lower_80": interval.lower, "month_upper_80": interval.upper,
    })  # fmt: skip
    city_months = pd.DataFrame({"month": range(1, 13), "expected_month_crimes": np.full(12, 20_000.0),
                                "month_lower_80": city.lower, "month_upper_80": city.upper})  # fmt: skip
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE average_daily AS FROM places")
        connection.execute("CREATE TABLE forecast_city AS FROM city_months")
        connection.execute("CREATE TABLE neighborhood AS SELECT DISTINCT neighborhood FROM places")
        connection.execute("INSERT INTO neighborhood VALUES ('quiet')")
        connection.execute("INSERT INTO average_daily VALUES ('quiet', 1, 0.01, 0, 0)")
        found = estimate_overdispersion(connection)
    assert found[:200].mean() == pytest.approx(true.mean(), rel=0.1)
    low, high = (found[:200][true == kind].median() for kind in (0.02, 0.1))
    assert 0.02 < low < true.mean() < high < 0.1  # shrunk toward the mean
    assert found["quiet"] == pytest.approx(found[:200].mean(), rel=0.1)
    del places, city_months


def test_charts_show_the_tables(floored: tuple[Plan, Path]) -> None:
    plan, _ = floored
    rows = plan[PLAN_TRADE_OFF_TABLE]
    (axes,) = CHARTS["plan_trade_off"](plan).axes
    lines = {str(line.get_label()): line.get_xydata() for line in axes.lines}
    for label, shown in (
        ("without floors", rows["floor_multiple"] == 0),
        ("with the floors asked for", rows["floor_multiple"] == 1),
        ("this plan", rows["is_request"]),
    ):
        drawn = rows[shown & rows["is_feasible"]]
        points = np.column_stack([100 * drawn["patrolled_share"], drawn["hours_gini"]])
        assert np.allclose(np.asarray(lines[label]), points)
    axes, _ = CHARTS["plan_zone_shift"](plan).axes
    hours = plan[PLAN_HOURS_TABLE]
    zone = hours["zone"].dropna().min()
    texts = [text.get_text() for text in axes.texts]
    for column, shift in enumerate(plan.request.shifts):
        week = hours.loc[(hours["zone"] == zone) & (hours["shift"] == shift), "hours"].sum()
        assert texts[column] == f"{week:,.0f}"


def test_files_are_read_back_and_say_whose_data_they_are(made: Path) -> None:
    manifest = json.loads((made / "manifest.json").read_text())["plan"]
    listed = {name: digest for entry in manifest.values() for name, digest in entry["sha256"].items()}
    assert {path.name for path in made.iterdir()} == {*listed, "manifest.json"}
    assert all(hash_file(made / name) == digest for name, digest in listed.items())
    assert {"plan.duckdb", "plan_trade_off.png", "plan_zone_shift.png"} <= listed.keys()
    with duckdb.connect(str(made / "plan.duckdb"), read_only=True) as connection:
        for table in PLAN_TABLES:
            rows = connection.execute(f"SELECT * FROM {table.name}").df()
            assert list(rows.columns) == list(table.column_names)
            assert len(rows) == len(pd.read_csv(made / f"{table.name}.csv"))
            assert len(set(rows["data_source"])) == 1
            parquet = connection.execute(f"FROM '{made / table.name}.parquet'").df()
            pd.testing.assert_frame_equal(rows, parquet)
        (tags,) = connection.execute(
            "SELECT tags FROM duckdb_databases() WHERE NOT internal"
        ).fetchall()[0]
        assert tags["storage_version"].startswith(settings.STORAGE_VERSION)
        (comment,) = connection.execute(
            "SELECT comment FROM duckdb_tables() WHERE table_name = 'plan_request'"
        ).fetchall()[0]
    assert "Nothing in it says that patrols reduce crime" in comment


def test_foreign_files_and_other_exports_stay(few_places: Path, tmp_path: Path) -> None:
    request = read_request(write_request(tmp_path, BASE))
    out = tmp_path / "out"
    write_plan(few_places, request, out)
    write_plan(few_places, request, out)
    (out / "notes.txt").write_text("mine")
    with pytest.raises(ShieldError, match=r"holds other files than an export \(notes.txt\)"):
        write_plan(few_places, request, out)
    assert (out / "notes.txt").read_text() == "mine"


def test_command_tells_and_puts_plans_where_the_settings_say(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATLSHIELD_PLANS", str(tmp_path / "plans"))
    path = write_request(tmp_path, BASE + FLOORS, "july")
    assert main(["plan", str(path), "--builds", str(published)]) == 0
    said = capsys.readouterr().out
    assert 8 <= len(said.splitlines()) <= 14
    for words in (
        settings.SIMULATED,
        "asked: ",
        "without hours: ",
        "limits that bind: ",
        "floors cost ",
        "nothing here says that patrols reduce it",
        f"written to {tmp_path / 'plans' / 'july'}",
    ):
        assert words in said
    with connect_published(published) as (build, _):
        assert f"build {build.build_id}" in said
    assert (tmp_path / "plans" / "july" / "plan.duckdb").exists()
    assert main(["plan", str(tmp_path / "none.toml"), "--builds", str(published)]) == 1
    assert "none.toml" in capsys.readouterr().err


def test_summary_tells_parts_of_hours_and_hours_without_a_place(ask: Ask) -> None:
    shift = '[shifts]\nall = "00:00-24:00"\n[hours.all]\n'
    lines = list(describe_plan(ask(
        f"month = 7\nunit_hours = 0.5\n{shift}foot = [0.5, 0, 0, 0, 0, 0, 0]\n"
    )))  # fmt: skip
    assert "asked: 0.5 hours a week in 1 shift, " in lines[1]
    assert "planned: 0.5" in lines[1]
    (most,) = [line for line in lines if line.startswith("most hours a week")]
    assert most.count(" to ") == 1
    assert " 0.5 (" in most
    assert "limits that bind: 1 budget" in lines
    assert not any(line.startswith("without a place") for line in lines)
    lines = list(describe_plan(ask(BASE.partition("[hours.night]")[0] + "[hours.night]\n")))
    (shifts,) = [line for line in lines if line.startswith("hours by shift")]
    assert re.search(r"crimes in it\): day 390 \(\d\d%\), night 0 \([1-9]\d%\)$", shifts)
    lines = list(describe_plan(ask(
        f"month = 7\n{shift}foot = 100\n[caps]\nfoot = 1\n"
    )))  # fmt: skip
    placed = float(lines[1].rpartition(" ")[2])
    assert 0 < placed <= 12 * 7
    words = (
        f"{700 - placed:g} hours of Foot Patrol: caps.foot = 1 is reached wherever crime calls for it"
    )
    assert f"without a place: {words}" in lines
    assert "limits that bind: none" not in lines


def test_example_works_on_the_simulated_build(published: Path) -> None:
    request = read_request(settings.ROOT / "plans" / "example.toml")
    with connect_published(published) as (build, connection):
        plan = make_plan(connection, build, request)
    assert plan.data_source == settings.SIMULATED
    assert any("simulated data" in line for line in describe_plan(plan))
