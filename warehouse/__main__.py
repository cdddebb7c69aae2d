"""Commands on published builds: status, list, rollback, export, sql, shell, docs."""

import argparse
import signal
import sys
from pathlib import Path

from warehouse import settings
from warehouse.diagram import render_diagram
from warehouse.dictionary import render_page
from warehouse.errors import ShieldError
from warehouse.export import export_build
from warehouse.publish import PublishedBuild, list_builds, read_pointer, roll_back
from warehouse.query import CLOSED, answer, run_shell
from warehouse.read import connect_published
from warehouse.schema import TABLES

PAGES = {
    settings.ROOT / "docs" / "data_dictionary.md": render_page(TABLES),
    settings.ROOT / "docs" / "table_diagram.md": render_diagram(TABLES),
}
"""Pages that follow from the declarations."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code, having said what went wrong on standard error."""
    options = parse_arguments(arguments)
    try:
        options.run(options)
    except ShieldError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options; `run` is the command's function."""
    parser = argparse.ArgumentParser(prog="python -m warehouse", description=__doc__)
    parser.add_argument("--builds", type=Path, default=settings.BUILDS_DIR, help="folder of builds")
    commands = parser.add_subparsers(required=True, metavar="command")
    commands.add_parser("status", help="the published build").set_defaults(run=show_status)
    commands.add_parser("list", help="the builds on disk").set_defaults(run=show_builds)
    commands.add_parser("rollback", help="publish the build before").set_defaults(run=run_rollback)
    export = commands.add_parser("export", help="write every table as CSV and Parquet")
    export.add_argument("--out", type=Path, required=True, help="folder to write")
    export.set_defaults(run=run_export)
    sql = commands.add_parser("sql", help="answer SQL on the published build, read-only")
    sql.add_argument("sql", metavar="SELECT", help="a statement")
    sql.add_argument("--csv", action="store_true", help="print CSV, every row")
    sql.set_defaults(run=run_sql)
    commands.add_parser("shell", help="a prompt for SQL, read-only").set_defaults(run=run_prompt)
    docs = commands.add_parser("docs", help="write the pages that follow from the schema")
    docs.add_argument("--check", action="store_true", help="fail if one would change")
    docs.set_defaults(run=run_docs)
    return parser.parse_args(arguments)


def show_status(options: argparse.Namespace) -> None:
    """Print the pointer in words."""
    print(describe(read_pointer(options.builds)))


def show_builds(options: argparse.Namespace) -> None:
    """Print the builds on disk, the published one marked."""
    current = read_pointer(options.builds)
    for path in list_builds(options.builds):
        print(f"{'*' if path.name == current.file else ' '} {path.name}")


def run_rollback(options: argparse.Namespace) -> None:
    """Publish the build before the current one."""
    print("rolled back to " + describe(roll_back(options.builds)))


def run_export(options: argparse.Namespace) -> None:
    """Write the published build as files."""
    print(f"exported to {export_build(options.builds, options.out)}")


def run_sql(options: argparse.Namespace) -> None:
    """Print what SQL answers."""
    with connect_published(options.builds, CLOSED) as (_, connection):
        answer(connection, options.sql, options.csv)


def run_prompt(options: argparse.Namespace) -> None:
    """Answer SQL typed at a prompt."""
    with connect_published(options.builds, CLOSED) as (published, connection):
        print(describe(published))
        print("SHOW TABLES; lists the tables, data_dictionary describes them. Ctrl-D leaves.")
        run_shell(connection)


def run_docs(options: argparse.Namespace) -> None:
    """Write the generated pages, or check that they are up to date."""
    for path, page in PAGES.items():
        if not options.check:
            path.write_text(page)
        elif not path.exists() or path.read_text() != page:
            raise ShieldError(f"{path.name} is stale: run `python -m warehouse docs`")


def describe(published: PublishedBuild) -> str:
    """Return one line on a build."""
    kind = f" ({settings.SIMULATED})" if published.is_synthetic else ""
    return (
        f"build {published.build_id}, source {published.source}{kind}, "
        f"cutoff {published.cutoff}, created {published.created_at}"
    )


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `… | head` is no error
    sys.exit(main())
