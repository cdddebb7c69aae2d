"""The refresh: raw rows in, a published build out. The only place where all rooms meet.

Input: a kind of source (`simulated`, `files` or `portal`), a folder of builds. Output: a new published
build, or the folder as it was and one line that says why.
"""

import datetime as dt
import io
import platform
import sys
from argparse import Namespace
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from importlib import metadata
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from etl.city import DEFAULT_CITY, City, load_city
from etl.clean import CleanSummary, clean_files
from etl.districts import list_districts
from etl.report import describe_cleaning
from etl.simulate import DEFAULT_INCIDENTS, SERIALS_PER_PART
from etl.source import RawInput, fetch_city, simulate_city
from models.backtest_ledger import fill_ledger
from models.break_note import describe_breaks
from models.feedback import fill_feedback
from models.forecast import Decisions, make_forecast
from models.forecast_tables import fill_forecasts
from models.group_audit import fill_groups
from models.hot_spots import fill_hot_spots
from models.load_panel import load_panel
from models.metrics import list_metrics
from models.model_card import fill_card
from models.track_record import leave_track, score_track
from warehouse import settings
from warehouse.audit import audit_build
from warehouse.build import Build, open_build
from warehouse.columns import CLEANINGS, SOURCE_KINDS
from warehouse.command import (
    CommandParser,
    add_builds,
    count_between,
    load_operation,
    parse_day,
    parse_name,
    parse_path,
    run_command,
)
from warehouse.dictionary import fill_dictionary
from warehouse.errors import NoBuildError
from warehouse.files import PARTIAL, REFRESH, hold_lock
from warehouse.follow import refuse_replica
from warehouse.guards import Comparison, GuardError, compare_with_last
from warehouse.machine import require_space
from warehouse.pointer import PublishedBuild, find_pointer, read_pointer
from warehouse.publish import publish_build, refuse_build
from warehouse.records import name_build
from warehouse.refresh_record import record_refresh
from warehouse.schema import TABLES
from warehouse.stages import STAGES
from warehouse.stopwatch import Stopwatch
from warehouse.sweep import prune_builds, sweep_leftovers
from warehouse.tables_clean import RAW_FILE_TABLE
from warehouse.tables_forecast import FORECAST_HOURLY_TABLE, SCORE_METRIC_TABLE
from warehouse.tables_lineage import BUILD_CHANGE_TABLE, REFRESH_RUN_TABLE
from warehouse.track import list_needed_files, require_track

OPTION_SOURCES = {"raw": "files", "full": "portal", "sample_incidents": "simulated"}
"""The one source that an option is about: with another it would change nothing, so it is refused."""


@dataclass(frozen=True)
class Request:
    """What is asked of one refresh. `first` and `last` are inclusive local days, None for all."""

    source_kind: str
    builds: Path
    raw: tuple[Path, ...] = ()
    sample_incidents: int = DEFAULT_INCIDENTS
    first: dt.date | None = None
    last: dt.date | None = None
    city: str = DEFAULT_CITY
    cleaning: str = CLEANINGS[0]
    boundaries: Path | None = None
    demographics: Path | None = None
    hot_spots: bool = False
    full: bool = False
    with_backtest: bool = True
    force: bool = False
    kept_builds: int = settings.KEPT_BUILDS
    kept_refused: int = settings.KEPT_REFUSED
    kept_snapshots: int = settings.KEPT_SNAPSHOTS
    raw_folder: Path = field(default_factory=lambda: settings.RAW_DIR)


def main(arguments: list[str] | None = None) -> int:
    """Run one refresh; return the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a log has the lines of a refresh that is killed
        sys.stdout.reconfigure(line_buffering=True)
    request = parse_arguments(arguments)

    def work() -> None:
        published = refresh(request)
        print(f"published  {published.build_id}, cutoff {published.cutoff}")

    return run_command(work, lambda: tell_published(request.builds))


def tell_published(builds: Path) -> str:
    """Say what is published after a failure: one that comes after the pointer moved does not undo it."""
    try:
        return f"the published build is {read_pointer(builds).build_id}"
    except (NoBuildError, OSError) as error:
        return str(error)


def parse_arguments(arguments: list[str] | None) -> Request:
    """Return what the command line asks for."""
    parser = CommandParser(prog="python -m refresh", description=__doc__)
    operation = load_operation()
    parser.add_argument("--source", choices=SOURCE_KINDS, default=operation.source)
    parser.add_argument("--raw", type=parse_path, nargs="+", help="raw files, plain or gz")
    add_builds(parser)
    parser.add_argument("--sample-incidents", type=count_between(1, SERIALS_PER_PART))
    parser.add_argument("--first", type=parse_day, help="first day, YYYY-MM-DD")
    parser.add_argument("--last", type=parse_day, help="last day, YYYY-MM-DD")
    parser.add_argument("--city", type=parse_name, default=operation.city, help="a file in data/cities")
    parser.add_argument(
        "--cleaning", choices=CLEANINGS, default=operation.cleaning, help="rows that count"
    )
    parser.add_argument(
        "--boundaries",
        type=parse_path,
        default=operation.boundaries,
        help="GeoJSON of neighborhood polygons",
    )
    parser.add_argument(
        "--demographics", type=parse_path, default=operation.demographics,
        help="CSV of census facts by area, for the audit by group",
    )  # fmt: skip
    parser.add_argument(
        "--hot-spots", action="store_true", default=operation.hot_spots,
        help="cells of a grid below the neighborhood, by year",
    )  # fmt: skip
    parser.add_argument("--full", action="store_true", help="read the whole portal anew")
    parser.add_argument("--no-backtest", action="store_true", help="leave out the backtest")
    parser.add_argument("--force", action="store_true", help="publish whatever the guards find")
    options = parser.parse_args(arguments)
    if options.source == "files" and not options.raw:
        options.raw = operation.raw
    check_options(parser, options)
    return Request(
        source_kind=options.source,
        builds=options.builds,
        raw=tuple(options.raw or ()),
        sample_incidents=options.sample_incidents or DEFAULT_INCIDENTS,
        first=options.first,
        last=options.last,
        city=options.city,
        cleaning=options.cleaning,
        boundaries=options.boundaries,
        demographics=options.demographics,
        hot_spots=options.hot_spots,
        full=options.full,
        with_backtest=not options.no_backtest,
        force=options.force,
        kept_builds=operation.kept_builds,
        kept_refused=operation.kept_refused,
        kept_snapshots=operation.kept_snapshots,
        raw_folder=operation.raw_folder,
    )


def check_options(parser: CommandParser, options: Namespace) -> None:
    """End the program where options contradict each other."""
    for name, source in OPTION_SOURCES.items():
        if getattr(options, name) and options.source != source:
            parser.error(f"--{name.replace('_', '-')} goes with --source {source}")
    if options.source == "files" and not options.raw:
        parser.error("--source files needs --raw FILE [FILE ...]")
    if options.source == "simulated" and options.city != DEFAULT_CITY:
        parser.error(f"only {DEFAULT_CITY} can be simulated: --city goes with --source files")
    if options.first and options.last and options.first > options.last:
        parser.error(f"--first {options.first} comes after --last {options.last}")


def refresh(request: Request) -> PublishedBuild:
    """Build, audit and publish. Whatever fails before the pointer moves, the published build stays.

    Raises `GuardError` when a guard fires and the request is not forced; the build is then kept aside.
    """
    created_at = dt.datetime.now(dt.UTC)
    build_id = f"{created_at:%Y%m%dT%H%M%S%fZ}"  # in the order of time, whatever the pace
    with hold_lock(request.builds, REFRESH), ExitStack() as stack:
        refuse_replica(request.builds)
        tidy(request)  # first: what a dead refresh left may fill the disk
        try:
            stack.enter_context(record_refresh(request.builds, build_id))
        except OSError:
            require_space(request.builds, *measure_inputs(request))  # the reason, where it is that
            raise
        bar = stack.enter_context(tqdm(total=len(STAGES), disable=None))
        tqdm.write(f"refresh    {build_id}, {request.source_kind} of {request.city}")
        city = load_city(request.city)
        require_track(request.builds)
        require_space(request.builds, *measure_inputs(request))
        partial = request.builds / f"{name_build(build_id)}{PARTIAL}"
        try:
            watch = Stopwatch(bar)
            with open_build(build_id, partial) as build:
                comparison = write_tables(build, request, city, created_at, watch)
            if comparison.fired and not request.force:
                raise refuse(refuse_build(request.builds, build_id, partial), comparison)
            with watch.time_stage("publish") as results:
                results.append(f"{partial.stat().st_size / 2**20:,.1f} MiB in {name_build(build_id)}")
                return publish_build(request.builds, build_id, partial)
        finally:
            tidy(request)


def tidy(request: Request) -> None:
    """Sweep the folder of builds and remove those beyond what the operator keeps."""
    sweep_leftovers(request.builds)
    prune_builds(request.builds, request.kept_builds, request.kept_refused)


def measure_inputs(request: Request) -> tuple[int, int]:
    """Return the bytes of the last build and of the raw files; 0 of what is not there."""
    last = find_pointer(request.builds)
    files = [path for path in request.raw if path.is_file()]
    return (
        (request.builds / last.file).stat().st_size if last else 0,
        sum(path.stat().st_size for path in files),
    )


def refuse(kept: Path, comparison: Comparison) -> GuardError:
    """Return what is said of a build that is refused and kept aside."""
    beside = f", compared with build {comparison.last_build_id}" if comparison.last_build_id else ""
    return GuardError(
        f"not published{beside}: {'; '.join(comparison.fired)}. It is kept as {kept}. Where this build"
        " is right and the published one was the mistake, the same command with FORCE=1 (--force)"
        " publishes it"
    )


def write_tables(
    build: Build, request: Request, city: City, created_at: dt.datetime, watch: Stopwatch
) -> Comparison:
    """Run the stages in order, compare with the last build and audit what was written."""
    with watch.time_stage("etl") as results:
        raw = find_raw_input(request, city)
        summary = clean_files(
            build, raw.files, city, request.first, request.last, raw.boundaries, request.cleaning,
            request.demographics,
        )  # fmt: skip
        say_cleaned(build, summary)
        files = build.count_rows(RAW_FILE_TABLE)
        results += [
            f"{summary.rows_in:,} rows of {files} raw file{'s' if files > 1 else ''}",
            f"{summary.rows_kept:,} kept",
        ]
        refuse_failed_checks(request, summary)
    with watch.time_stage("training") as results:
        panel = load_panel(build.connection)
        forecast, decisions = make_forecast(panel, summary.cutoff, city.time_zone)
        fill_forecasts(build, forecast, decisions, panel)
        leave_track(build, forecast, panel, summary.cutoff)
        breaks = describe_breaks(build.connection, panel, summary.cutoff)
        summary = replace(summary, warnings=(*summary.warnings, *breaks))
        for sentence in breaks:
            tqdm.write(f"  warning: {sentence}")
        results += [
            f"{len(panel.neighborhoods)} places",
            f"{len(panel.month_numbers)} months",
            f"{build.count_rows(FORECAST_HOURLY_TABLE):,} hours forecast",
        ]
    with watch.time_stage("backtest") as results:
        build.insert_frame(SCORE_METRIC_TABLE, list_metrics())
        if request.with_backtest:
            results.append(
                fill_ledger(
                    build, panel, request.builds, city.name, request.source_kind, request.cleaning
                )
            )
    with watch.time_stage("compare") as results:
        comparison = compare_with_last(
            build, request.builds, city.name, request.source_kind, request.cleaning
        )
        feed = {"city": city.name, "source_kind": request.source_kind, "cleaning": request.cleaning}
        broken = score_track(build, panel, request.builds, feed)
        comparison = replace(comparison, warnings=(*comparison.warnings, *broken))
        results.append(say_compared(build, comparison))
    fill_lineage(build, request, city, created_at, summary, decisions, comparison, watch)
    districts = list_districts(city)
    fill_feedback(build)
    fill_groups(build)
    if request.hot_spots:
        fill_hot_spots(build, panel, summary.cutoff)
    for table in TABLES:
        if table.is_mart:
            build.insert_mart(table)
    fill_card(build, districts, breaks, city.contact, city.licence)
    fill_dictionary(build, districts)
    with watch.time_stage("audit") as results:
        audit_build(build)
        results += [f"{len(TABLES)} tables", f"{sum(map(build.count_rows, TABLES)):,} rows"]
    return comparison


def find_raw_input(request: Request, city: City) -> RawInput:
    """Return the raw files of the source, having fetched or simulated them where that is asked for."""
    if request.source_kind == "portal":
        found = fetch_city(
            city, request.raw_folder / city.name.lower(), full=request.full,
            kept=request.kept_snapshots, needed=list_needed_files(request.builds),
        )  # fmt: skip
        return replace(found, boundaries=request.boundaries or found.boundaries)
    if request.source_kind == "simulated":
        found = simulate_city(city, request.sample_incidents, request.raw_folder)
        return replace(found, boundaries=request.boundaries)
    return RawInput(request.raw, request.boundaries)


def say_cleaned(build: Build, summary: CleanSummary) -> None:
    """Print what cleaning kept and rejected, by rule."""
    tqdm.write(
        f"{build.data_source}: {summary.rows_kept:,} of {summary.rows_in:,} rows kept, "
        f"cutoff {summary.cutoff}"
    )
    for line in describe_cleaning(build):
        tqdm.write(line)
    for warning in summary.warnings:
        tqdm.write(f"  warning: {warning}")
    for sentence in summary.failed_checks:
        tqdm.write(f"  failed check: {sentence}")


def refuse_failed_checks(request: Request, summary: CleanSummary) -> None:
    """Raise `GuardError` when there are reasons not to publish, unless the request is forced."""
    if summary.failed_checks and not request.force:
        raise GuardError(
            f"not published: {'; '.join(summary.failed_checks)}. Mend the file or its layout; where the"
            " data is right nevertheless, the same command with FORCE=1 (--force) publishes it"
        )


def say_compared(build: Build, comparison: Comparison) -> str:
    """Print which guards fired; return what the last build of the feed was, and how much changed."""
    for sentence in comparison.fired:
        tqdm.write(f"  guard: {sentence}")
    for warning in comparison.warnings:
        tqdm.write(f"  warning: {warning}")
    if comparison.last_build_id is None:
        return "with no earlier build of this feed"
    return f"{build.count_rows(BUILD_CHANGE_TABLE):,} changes since build {comparison.last_build_id}"


def fill_lineage(
    build: Build, request: Request, city: City, created_at: dt.datetime, summary: CleanSummary,
    decisions: Decisions, comparison: Comparison, watch: Stopwatch,
) -> None:  # fmt: skip
    """Fill `refresh_run`: where every number of this build comes from."""
    facts = {
        "build_id": build.build_id,
        "created_at": created_at.replace(tzinfo=None),
        "city": city.name,
        "source_kind": request.source_kind,
        "cleaning": request.cleaning,
        "is_synthetic": summary.is_synthetic,
        "cutoff": summary.cutoff,
        "rows_in": summary.rows_in,
        "rows_kept": summary.rows_kept,
        "rows_rejected": summary.rows_in - summary.rows_kept,
        **asdict(decisions),
        "seed": settings.SEED,
        "atlshield_version": settings.VERSION,
        "python_version": platform.python_version(),
        "duckdb_version": metadata.version("duckdb"),
        "scikit_learn_version": metadata.version("scikit-learn"),
        "warnings": "; ".join((*summary.warnings, *comparison.warnings)),
        "compared_build_id": comparison.last_build_id,
        "guards_fired": "; ".join((*summary.failed_checks, *comparison.fired)),
        "is_forced": request.force,
        **watch.measures,
    }
    build.insert_frame(REFRESH_RUN_TABLE, pd.DataFrame([facts]))


if __name__ == "__main__":
    sys.exit(main())
