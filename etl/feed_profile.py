"""What the raw files of a build look like, as plain rows: months, findings, report delays.

Input: a published build. Output: a `FeedProfile`. The tables `feed_health`, `report_delay` and
`calendar` hold it all; nothing is measured here.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from warehouse.errors import NoBuildError, OtherVersionError
from warehouse.read import connect_published

SELECT_RATES = """
SELECT subject, month_start, days, value / days FROM feed_health JOIN (
    SELECT date_trunc('month', calendar_date)::DATE AS month_start, count(*) AS days
    FROM calendar GROUP BY ALL
) USING (month_start) WHERE health_check = 'monthly_incidents' ORDER BY subject, month_start
"""


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


def load_profile(builds: Path) -> FeedProfile:
    """Read the profile of the published build.

    Raises `NoBuildError` where none can be read, and for one that is older than these tables.
    """
    try:
        with connect_published(builds) as (_, connection):
            return read_profile(connection)
    except OtherVersionError as error:
        raise NoBuildError(
            f"the published build holds no feed health: run `make refresh` first ({error})"
        ) from error


def read_profile(connection: duckdb.DuckDBPyConnection) -> FeedProfile:
    """Read a profile through a connection."""

    def read(select: str, *values: str) -> list[Any]:
        return connection.execute(select, values).fetchall()

    def find(health_check: str, columns: str) -> list[Any]:
        select = f"SELECT {columns} FROM feed_health WHERE health_check = ? ORDER BY finding_number"
        return read(select, health_check)

    def find_shares(health_check: str) -> tuple[FileShare, ...]:
        found = find(health_check, "subject, value, expected_value, is_warning")
        return tuple(FileShare(*row) for row in found)

    ((city, cutoff, data_source),) = read("SELECT city, cutoff, data_source FROM refresh_run")
    breaks = find("level_break", "month_start, subject, value, expected_value")
    return FeedProfile(
        city,
        cutoff,
        data_source,
        rates=tuple(MonthlyRate(*row) for row in read(SELECT_RATES)),
        gaps=tuple(month for (month,) in find("missing_month", "month_start")),
        breaks=tuple(sorted(LevelBreak(*row) for row in breaks)),
        missing_shares=find_shares("missing_share"),
        midnight_shares=find_shares("midnight_share"),
        delay_shares=tuple(
            share for (share,) in read("SELECT cumulative_share FROM report_delay ORDER BY delay_days")
        ),
    )
