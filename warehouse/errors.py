"""The errors a user of the commands is shown as one line, without a traceback.

Input: what went wrong, in words or as an error of DuckDB. Output: exceptions that `run_command` tells.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb


class ShieldError(Exception):
    """Something a person can mend: the message says what, where, and what was expected."""


class SchemaError(ShieldError):
    """Rows or a build do not match the declarations of `warehouse.schema`."""


class NoBuildError(ShieldError):
    """There is no published build in the folder, or its pointer cannot be used."""


class OtherVersionError(NoBuildError):
    """A build is whole, but another version of this program wrote it: it lacks what is asked for."""


def first_line(error: Exception) -> str:
    """Return what an error says, in one line."""
    return str(error).partition("\n")[0]


LACKS = (duckdb.CatalogException, duckdb.BinderException)
"""What DuckDB raises for a table or a column that a database does not have."""


@contextmanager
def name_build_file(*paths: Path) -> Iterator[None]:
    """Raise `NoBuildError` naming the builds for whatever DuckDB says while they are read.

    Such a file is damaged, no database at all, or of another version of DuckDB. One that lacks a table
    or a column raises `OtherVersionError`.
    """
    names = " or ".join(path.name for path in paths)
    try:
        yield
    except LACKS as error:
        raise OtherVersionError(
            f"{names} was written by another version of ATLShield: {str(error).splitlines()[0]}"
        ) from error
    except duckdb.Error as error:
        raise NoBuildError(f"{names} cannot be read: {error}") from error
