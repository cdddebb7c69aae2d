"""What cleaning left in a build: rows of a SELECT, and rows by rule."""

from warehouse.build import Build


def fetch(build: Build, select: str) -> list[tuple[object, ...]]:
    """Return the rows of a SELECT."""
    return build.connection.execute(select).fetchall()


def rejections(build: Build) -> dict[str, int]:
    """Return rows per rule, rules that rejected nothing left out."""
    rows = fetch(build, "SELECT rule, row_count FROM rejected_incident WHERE row_count > 0")
    return {str(rule): int(str(count)) for rule, count in rows}
