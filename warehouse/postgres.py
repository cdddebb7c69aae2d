"""A PostgreSQL server: a connection to it, its errors, one worker at a time, waiting for readers.

Input: a URL as SQLAlchemy reads them. Output: a connection in autocommit; `ShieldError`s that name user,
host and database, never a password.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, repeat

import sqlalchemy as sa
from psycopg import Connection, Error, connect, errors
from sqlalchemy.exc import ArgumentError
from tenacity import (
    RetryError,
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential_jitter,
)

from warehouse.errors import ShieldError

EXPECTED = "expected postgresql+psycopg://<user>@<host>:<port>/<database>, @ in a password as %40"
MIN_VERSION = 14
"""Nobody has mended older ones since 2025."""

SESSION = {
    "tcp_keepalives_idle": "30", "tcp_keepalives_interval": "10", "tcp_keepalives_count": "3",
    "statement_timeout": "0", "lock_timeout": "10s", "idle_in_transaction_session_timeout": "0",
    "client_min_messages": "warning",
}  # fmt: skip
"""Settings of a connection, whatever the server's or the user's defaults are."""

WAITS_MS = (50, 100, 200, 500)
"""How long one try to lock waits for readers, and so holds up those who come; the last is also that of
all further tries. Shorter than `deadlock_timeout` (1 s): the server ends a circle of waits after that,
perhaps at the reader's cost, and a reader of several views is easily in one."""
MAX_PAUSE_SECONDS, PATIENCE_SECONDS = 5, 600

IN_USE = """
SELECT string_agg(DISTINCT 'process ' || pid || ' of ' || coalesce(usename, backend_type), ', ')
FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE relation = ANY(%s::regclass[]) AND datname = current_database() AND pid <> pg_backend_pid()
"""


def parse_url(text: str) -> sa.URL:
    """Return the address of a database.

    Raises `ShieldError`, which repeats nothing of it: in what is not understood, anything may be a
    password.
    """
    try:
        url = sa.make_url(text)
    except (ArgumentError, ValueError):
        raise ShieldError(f"the URL is none of a database: {EXPECTED}") from None
    if url.drivername not in {"postgresql", "postgresql+psycopg"} or text.count("@") > 1:
        raise ShieldError(f"the URL is none of a PostgreSQL database: {EXPECTED}")
    return url


@contextmanager
def connect_server(text: str) -> Iterator[Connection]:
    """Connect to the database of a URL; a password that it lacks comes from PGPASSWORD or `.pgpass`.

    Raises `ShieldError` for a URL that is none, a server that is too old, and whatever the server or the
    way to it refuses while the block runs.
    """
    url = parse_url(text)
    options = {
        "connect_timeout": 10, "application_name": "atlshield", "client_encoding": "utf8",
        **url.translate_connect_args(username="user", database="dbname"), **url.query,
    }  # fmt: skip
    logging.getLogger("psycopg").setLevel(logging.ERROR)  # that a dead connection cannot roll back
    try:
        with connect(**options, autocommit=True) as server:
            found = server.info.server_version // 10_000
            if found < MIN_VERSION:
                raise ShieldError(f"expected PostgreSQL {MIN_VERSION} or later, found {found}")
            for setting in SESSION.items():
                server.execute("SELECT set_config(%s, %s, false)", setting)
            yield server
    except Error as error:
        where = url.set(query={}).render_as_string()  # without its password; the query may hold another
        place = f" ({error.diag.context:.60})" if error.diag.context else ""
        raise ShieldError(f"{where}: {error.diag.message_primary or error}{place}") from error


def take_turn(server: Connection, work: str) -> None:
    """Let one connection at a time do such work in a database, until it closes.

    One that was killed is waited for, as the server ends its statement first. Raises `ShieldError` where
    another goes on.
    """
    try:
        server.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [work])
    except errors.LockNotAvailable as error:
        raise ShieldError(f"another {work} is at work in this database") from error


def lock_tables(server: Connection, names: Sequence[str]) -> None:
    """Keep readers from tables or views until the transaction ends, once none is reading.

    Whoever has read one in a transaction is waited for until that ends, for `PATIENCE_SECONDS` in all,
    in tries, between which others read. Raises `ShieldError` with those who still read then.
    """
    waits = chain(WAITS_MS, repeat(WAITS_MS[-1]))
    retries = Retrying(
        retry=retry_if_exception_type(errors.QueryCanceled), stop=stop_after_delay(PATIENCE_SECONDS),
        wait=wait_exponential_jitter(multiplier=0.1, max=MAX_PAUSE_SECONDS, jitter=0.1),
    )  # fmt: skip
    try:
        for attempt, wait in zip(retries, waits, strict=False):
            with attempt, server.transaction():
                server.execute(f"SET LOCAL statement_timeout = {wait}")  # of all locks together
                server.execute(f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE")
                server.execute("SET LOCAL statement_timeout = 0")
    except RetryError as error:
        (readers,) = server.execute(IN_USE, [list(names)]).fetchone() or ("",)
        raise ShieldError(
            f"readers did not let go of the views in {PATIENCE_SECONDS} s, nothing changed: {readers}"
        ) from error
