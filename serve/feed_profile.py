"""What the raw files of a build look like, as plain rows: months, findings, report delays.

Input: a published build. Output: a `FeedProfile`. The tables `feed_health`, `report_delay` and
`calendar` hold it all; nothing is measured here.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from warehouse.pointer import PublishedBuild
from warehouse.read import CORE_TABLES, connect_engine, open_engine

MONTH_COLUMNS = ("month_start", "subject", "value", "expected_value")
SHARE_COLUMNS = ("subject", "value", "expected_value", "is_warning")
"""Columns of `feed_health` in the order of `LevelBreak` and of `FileShare`."""


class MonthlyRate(NamedTuple):
    """Incidents of one subject (a value of `crime_against`, or "all") per observed day of a month."""

    subject: str
    month_start: dt.date
    observed_days: int
    incidents_per_day: float


class LevelBreak(NamedTuple):
    """A break: the first month of the new level, and incidents per observed day after and before."""

    month_start: dt.date
    subject: str
    rate_after: float
    rate_before: float


class FileShare(NamedTuple):
    """A share (0-1) of a raw file's rows, and the share above which the refresh warned.

    The subject is the file or, with a colon between, the file and its column.
    """

    subject: str
    share: float
    limit: float
    is_warning: bool


@dataclass(frozen=True)
class FeedProfile:
    """What the feed chart shows.

    `rates` come by subject and month, months without observed days left out; `gaps` are the months that
    no file covers; `breaks` come by month and subject. `delay_shares` are the shares (0-1) of incidents
    reported within 0, 1, 2, ... days; none where no incident is old enough.
    """

    city: str
    cutoff: dt.date
    data_source: str
    rates: tuple[MonthlyRate, ...]
    gaps: tuple[dt.date, ...]
    breaks: tuple[LevelBreak, ...]
    missing_shares: tuple[FileShare, ...]
    midnight_shares: tuple[FileShare, ...]
    delay_shares: tuple[float, ...]


def load_profile(builds: Path, published: PublishedBuild) -> FeedProfile:
    """Read a profile.

    Raises `NoBuildError` for a file that cannot be read, or that is older than these tables.
    """
    engine = open_engine(builds, published)
    try:
        with connect_engine(engine, published, "feed health") as connection:
            return read_profile(connection)
    finally:
        engine.dispose()


def read_profile(connection: sa.Connection) -> FeedProfile:
    """Read a profile through a connection."""
    run, delay = CORE_TABLES["refresh_run"].c, CORE_TABLES["report_delay"].c
    select_shares = sa.select(delay.cumulative_share).order_by(delay.delay_days)
    city, cutoff, data_source = connection.execute(
        sa.select(run.city, run.cutoff, run.data_source)
    ).one()
    breaks = connection.execute(select_findings("level_break", *MONTH_COLUMNS))
    return FeedProfile(
        city,
        cutoff,
        data_source,
        rates=tuple(MonthlyRate(*row) for row in connection.execute(select_rates())),
        gaps=tuple(connection.execute(select_findings("missing_month", "month_start")).scalars()),
        breaks=tuple(sorted(LevelBreak(*row) for row in breaks)),
        missing_shares=read_shares(connection, "missing_share"),
        midnight_shares=read_shares(connection, "midnight_share"),
        delay_shares=tuple(connection.execute(select_shares).scalars()),
    )


def read_shares(connection: sa.Connection, health_check: str) -> tuple[FileShare, ...]:
    """Read the shares that a check found."""
    rows = connection.execute(select_findings(health_check, *SHARE_COLUMNS))
    return tuple(FileShare(*row) for row in rows)


def select_findings(health_check: str, *names: str) -> sa.Select[Any]:
    """Return the query for columns of the findings of one check, in their own order."""
    health = CORE_TABLES["feed_health"].c
    columns = (health[name] for name in names)
    select = sa.select(*columns).where(health.health_check == health_check)
    return select.order_by(health.finding_number)


def select_rates() -> sa.Select[Any]:
    """Return the query for incidents per observed day, in the order of `MonthlyRate`."""
    health, day = CORE_TABLES["feed_health"].c, CORE_TABLES["calendar"].c.calendar_date
    month = sa.cast(sa.func.date_trunc(sa.literal_column("'month'"), day), sa.Date).label("month_start")
    observed = sa.select(month, sa.func.count().label("days")).group_by(month).subquery().c
    return (
        sa.select(health.subject, health.month_start, observed.days, health.value / observed.days)
        .join_from(health.value.table, observed.days.table, health.month_start == observed.month_start)
        .where(health.health_check == "monthly_incidents")
        .order_by(health.subject, health.month_start)
    )
