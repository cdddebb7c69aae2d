"""Commands on builds: list, verify, roll back, compare, export, mirror, publish, SQL, settings."""

import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from warehouse import settings
from warehouse.backup import back_up, restore
from warehouse.changes import list_changes
from warehouse.command import CommandParser, add_builds, parse_path, parse_text, run_command
from warehouse.diagram import render_diagram
from warehouse.dictionary import render_page
from warehouse.errors import NoBuildError, OtherVersionError, ShieldError
from warehouse.export import export_build
from warehouse.history import read_lineage, roll_back, verify_build
from warehouse.operation import Operation, list_settings, read_operation, render_template
from warehouse.pointer import PublishedBuild, describe_published, find_link_error, read_pointer
from warehouse.query import answer, run_shell
from warehouse.read import connect_published
from warehouse.records import find_build, find_record, list_builds, name_id
from warehouse.schema import FLEET_TABLES, PLAN_TABLES, TABLES
from warehouse.settings_file import suggest
from warehouse.sql_settings import CLOSED, lock_connection
from warehouse.status import list_findings
from warehouse.tableau_export import export_tableau

PAGES = {
    settings.ROOT / "docs" / "data_dictionary.md": render_page(TABLES, (*PLAN_TABLES, *FLEET_TABLES)),
    settings.ROOT / "docs" / "table_diagram.md": render_diagram(TABLES),
    settings.ROOT / "deploy" / "atlshield.toml": render_template(),
}
"""Pages that follow from the declarations."""

FORMATS = {"files": export_build, "tableau": export_tableau}
"""What writes the published build into a folder."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code, having said what went wrong on standard error."""
    options = parse_arguments(arguments)
    return run_command(lambda: options.run(options))


def parse_arguments(arguments: list[str] | None) -> Namespace:
    """Return the options; `run` is the command's function.

    Raises `SystemExit` for a command line that cannot be understood.
    """
    parser = CommandParser(prog="python -m warehouse", description=__doc__)
    add_builds(parser)
    commands = parser.add_subparsers(required=True, metavar="command")
    shown = commands.add_parser("settings", help="what the operator set, and where")
    shown.add_argument("keys", type=parse_text, nargs="*", metavar="KEY", help="print only their values")
    shown.set_defaults(run=show_settings)
    commands.add_parser("list", help="the builds that are kept").set_defaults(run=show_builds)
    status = commands.add_parser("status", help="whether all is well; 1 where something needs a person")
    status.add_argument("--lineage", action="store_true", help="print the build's lineage before that")
    status.set_defaults(run=show_status)
    verify = commands.add_parser("verify", help="check and read every kept build in full")
    verify.set_defaults(run=run_verify)
    rollback = commands.add_parser("rollback", help="publish a kept build again")
    rollback.add_argument(
        "build", type=parse_text, nargs="?", help="its id (default: the build before the current)"
    )
    rollback.set_defaults(run=run_rollback)
    diff = commands.add_parser("diff", help="what changed from build A to build B")
    diff.add_argument("before", type=parse_text, metavar="A", help="id of a kept or refused build")
    diff.add_argument("after", type=parse_text, metavar="B", help="id of a kept or refused build")
    diff.set_defaults(run=show_changes)
    export = commands.add_parser("export", help="write the build for other programs")
    export.add_argument("--out", type=parse_path, required=True, help="folder to write")
    export.add_argument(
        "--format", choices=FORMATS, default="files", dest="format_name",
        help="files: every table as CSV and Parquet (default); tableau: data sources and a workbook",
    )  # fmt: skip
    export.set_defaults(run=run_export)
    publish = commands.add_parser(
        "publish-tableau", help="replace data sources and workbook on a server"
    )
    publish.add_argument("--server", type=parse_text, required=True, help="https://<host>")
    publish.add_argument(
        "--site", default="", help="site as in its addresses (default: the default site)"
    )
    publish.add_argument("--project", type=parse_text, required=True, help="name of a project")
    publish.set_defaults(run=run_publish)
    mirror = commands.add_parser("mirror", help="copy the published build into PostgreSQL")
    mirror.add_argument("url", metavar="URL", help="postgresql+psycopg://<user>@<host>/<database>")
    mirror.set_defaults(run=run_mirror)
    backup = commands.add_parser(
        "backup", help="copy builds, raw files, plans and settings into a new folder"
    )
    backup.add_argument("to", type=parse_path, metavar="FOLDER", help="must not be there yet")
    backup.set_defaults(run=run_backup)
    back = commands.add_parser("restore", help="put a backup where the settings want it")
    back.add_argument("source", type=parse_path, metavar="FOLDER", help="what backup has written")
    back.set_defaults(run=run_restore)
    replica = commands.add_parser("follow", help="publish here what another machine's service serves")
    replica.add_argument("source", type=parse_text, metavar="URL", help="https://<host>, of a service")
    replica.set_defaults(run=run_follow)
    sql = commands.add_parser("sql", help="answer SQL on the published build, read-only")
    sql.add_argument("sql", type=parse_text, metavar="SELECT", help="one statement")
    sql.add_argument("--csv", action="store_true", help="print CSV, every row")
    sql.set_defaults(run=run_sql)
    commands.add_parser("shell", help="a prompt for SQL, read-only").set_defaults(run=run_prompt)
    docs = commands.add_parser("docs", help="write the pages that follow from the schema")
    docs.add_argument("--check", action="store_true", help="fail if one would change")
    docs.set_defaults(run=run_docs)
    return parser.parse_args(arguments)


def show_settings(options: Namespace) -> None:
    """Print the settings in force, or the bare values of some, for scripts.

    Raises `ShieldError` for a mistake in them, and for a key that is none.
    """
    reading = read_operation()
    if not options.keys:
        print_table([("setting", "value", "from"), *list_settings(reading)])
    for key in options.keys:
        if key not in Operation.model_fields:
            raise ShieldError(f"unknown setting {key!r}{suggest(key, Operation.model_fields)}")
        print(getattr(reading.operation, key))


def show_builds(options: Namespace) -> None:
    """Print the kept builds, oldest first, the published one marked.

    Raises `ShieldError` where the link that Tableau opens leads elsewhere.
    """
    current = read_pointer(options.builds)
    rows: list[tuple[object, ...]] = [(" ", "build", "cutoff", "source", "incidents", "MiB")]
    for path in list_builds(options.builds):
        mark = "*" if path.name == current.file else " "
        try:
            record, run = find_record(path), read_lineage(path)
            facts: tuple[object, ...] = (record.cutoff, record.source, run.get("rows_kept"))
        except NoBuildError:
            facts = ("unreadable", None, None)
        rows.append((mark, name_id(path), *facts, path.stat().st_size / 1024**2))
    print_table(rows)
    check_link(options.builds, current)


def show_status(options: Namespace) -> None:
    """Print the state in ten lines. Raises `ShieldError` with all that needs a person."""
    if options.lineage:
        print_table(list(read_lineage(options.builds / read_pointer(options.builds).file).items()))
    faults = []
    for finding in list_findings(read_operation().operation, options.builds):
        print(f"{finding.label:<9}  {finding.text}", flush=True)  # before the error, wherever both go
        faults += [finding.fault] if finding.fault else []
    if faults:
        raise ShieldError("; ".join(dict.fromkeys(faults)))


def run_verify(options: Namespace) -> None:
    """Check every kept build against its SHA-256, read it in full and audit it.

    One of another version cannot be audited, which is no fault. Raises `ShieldError` with the number of
    bad ones if there is any, or where the link that Tableau opens leads elsewhere.
    """
    bad = 0
    for path in list_builds(options.builds):
        try:
            print(f"good  {verify_build(path).build_id}")
        except OtherVersionError as error:
            print(f"OTHER {error}; its file is what was published, and is not audited")
        except ShieldError as error:
            bad += 1
            print(f"BAD   {error}")
    published = read_pointer(options.builds)
    if bad:
        raise ShieldError(f"{bad} of the kept builds in {options.builds} cannot be trusted")
    check_link(options.builds, published)


def check_link(builds: Path, published: PublishedBuild) -> None:
    """Raise `ShieldError` where the link that Tableau opens does not lead to the published build."""
    if link := find_link_error(builds, published):
        raise ShieldError(f"{link}: `make refresh` mends it")


def run_rollback(options: Namespace) -> None:
    """Publish a kept build again."""
    print("rolled back to " + describe_published(roll_back(options.builds, options.build)))


def show_changes(options: Namespace) -> None:
    """Print what differs between two builds."""
    before, after = (find_build(options.builds, name) for name in (options.before, options.after))
    changes = list_changes(before, after)
    print_table([("subject", "item", "before", "after"), *changes])
    print(f"{len(changes):,} changes")


def print_table(rows: Sequence[tuple[object, ...]]) -> None:
    """Print rows in columns; numbers to six digits, None as nothing."""
    texts = [[format_value(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def format_value(value: object) -> str:
    """Return a value for people."""
    return "" if value is None else f"{value:,.6g}" if isinstance(value, float) else str(value)


def run_export(options: Namespace) -> None:
    """Write the published build in a format."""
    print(f"exported to {FORMATS[options.format_name](options.builds, options.out)}")


def run_publish(options: Namespace) -> None:
    """Publish to a Tableau Server; what talks to it is imported here, as no other command needs it."""
    from warehouse.tableau_publish import Target, publish_build

    publish_build(options.builds, Target(options.server, options.site, options.project))


def run_mirror(options: Namespace) -> None:
    """Mirror into PostgreSQL; its driver is an extra, imported where it is used."""
    try:
        from warehouse.mirror import mirror_build
    except ImportError as error:
        raise ShieldError(f"mirroring needs `make .venv/postgres` first: {error}") from error
    print(mirror_build(options.builds, options.url))


def run_backup(options: Namespace) -> None:
    """Back up what the settings speak of."""
    operation = read_operation().operation.model_copy(update={"builds": options.builds})
    print(f"{back_up(operation, options.to):,} files backed up in {options.to}")


def run_restore(options: Namespace) -> None:
    """Restore a backup to where the settings want it."""
    operation = read_operation().operation.model_copy(update={"builds": options.builds})
    print("restored " + describe_published(restore(operation, options.source)))


def run_follow(options: Namespace) -> None:
    """Follow another service; what talks to it is imported here, as no other command needs it."""
    from warehouse.follow import follow

    operation = read_operation().operation.model_copy(update={"builds": options.builds})
    published = follow(options.source, operation)
    print(
        "published " + describe_published(published) if published else "what it serves is published here"
    )


def run_sql(options: Namespace) -> None:
    """Print what SQL answers."""
    with connect_published(options.builds, CLOSED) as (_, connection):
        lock_connection(connection)
        answer(connection, options.sql, options.csv)


def run_prompt(options: Namespace) -> None:
    """Answer SQL typed at a prompt."""
    with connect_published(options.builds, CLOSED) as (published, connection):
        lock_connection(connection)
        print(describe_published(published))
        print("SHOW TABLES; lists the tables, data_dictionary describes them. Ctrl-D leaves.")
        run_shell(connection)


def run_docs(options: Namespace) -> None:
    """Write the generated pages, or raise `ShieldError` for the first that is not up to date."""
    for path, page in PAGES.items():
        if not options.check:
            path.write_text(page)
        elif not path.exists() or path.read_text() != page:
            raise ShieldError(f"{path.name} is stale: run `python -m warehouse docs`")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` is no error
    sys.exit(main())
