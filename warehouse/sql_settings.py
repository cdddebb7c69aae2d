"""What a statement that nobody has checked may use: one declaration for the shell, the command and HTTP.

Input: a connection to a finished build. Output: the same, closed to everything but its file. DuckDB's
own page calls running foreign SQL unsafe by design: this is one of three walls, beside `sql_gate` and
the process of `sql_child`.
"""

import re
from typing import Any

import duckdb

MEMORY_MIB = 256
"""What DuckDB may take for one statement; the repository's largest builds need a tenth."""

CLOSED: dict[str, Any] = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "allow_community_extensions": "false",
    "temp_directory": "",
    "memory_limit": f"{MEMORY_MIB}MiB",
    "threads": 1,
}
"""Neither other files nor extensions, nor variables of this program taken for tables, nor a spill."""

TOO_LARGE = f"the statement needs more than {MEMORY_MIB} MiB of memory: ask for fewer rows or columns"


def lock_connection(connection: duckdb.DuckDBPyConnection) -> None:
    """Take the file system away from a connection whose build is open, then its settings."""
    connection.execute("SET disabled_filesystems = 'LocalFileSystem'")
    connection.execute("SET lock_configuration = true")


def describe_error(error: duckdb.Error | MemoryError) -> str:
    """Return what DuckDB says of a statement, without its excerpt of the SQL and without a folder."""
    if isinstance(error, (MemoryError, duckdb.OutOfMemoryException)):
        return TOO_LARGE
    said = str(error).partition("\n\nLINE ")[0]
    return re.sub(r"""(?<=["'])/[^"'\n]*/(?=[^/"'\n]+\.duckdb)""", "", said)
