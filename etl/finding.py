"""What is found out about an unknown file, and the file staged by it as far as it is.

Input: a sample and what was guessed of it. Output: `staged` and `sampled_time`, as a
refresh would have them.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd

from etl.city import City
from etl.clock_checks import sample_times
from etl.fields import select_fields
from etl.guess import Guess
from etl.layout import Layout
from etl.raw_file import RawFile
from etl.sample import Sample
from etl.staging import blank_unreadable
from etl.timestamps import MACROS

Trial = tuple[duckdb.DuckDBPyConnection, RawFile, City]


@dataclass
class Finding:
    """Everything a draft is written from.

    `facts` are settings of the layout beside its columns and fields, `evidence` says what speaks for its
    clock. `edges` hold nearly all coordinates, longitudes before latitudes.
    """

    name: str
    file_name: str
    sample: Sample
    guess: Guess
    facts: dict[str, object]
    evidence: list[str] = field(default_factory=list)
    shifts: dict[str, list[int]] = field(default_factory=dict)
    edges: list[float] | None = None
    country: str | None = None
    time_zone: str | None = None
    beat_pattern: str | None = None

    @property
    def doubts(self) -> list[str]:
        """What is in doubt about the file and about its columns."""
        return [*self.sample.doubts, *self.guess.doubts]

    def column(self, name: str) -> pd.Series | None:
        """Return the text of a field's column; None for a field that was not found."""
        return self.sample.frame[self.guess.fields[name]] if name in self.guess.fields else None


@contextmanager
def stage_sample(finding: Finding, *names: str, **changes: object) -> Iterator[Trial]:
    """Stage the sample as the ETL would, by the layout as far as it is guessed; `changes` are tried.

    Only the fields that are named are read, all where none is.
    """
    columns = tuple(map(str, finding.sample.frame.columns))
    fields = {name: c for name, c in finding.guess.fields.items() if not names or name in names}
    facts = {**finding.facts, "shifts": finding.shifts, **changes}
    layout = Layout.model_construct(None, name=finding.name, columns=columns, fields=fields, **facts)
    city = City.model_construct(time_zone=ZoneInfo(finding.time_zone or "UTC"))
    file = RawFile(Path(finding.file_name), 0, "csv", "", columns, layout, dt.date.max, (0, 0, 0))
    places = [f"c{place}" for place in range(len(columns))]
    with duckdb.connect() as connection:
        connection.execute(f"SET TimeZone = 'UTC'; {MACROS}")
        connection.register("sample", finding.sample.frame.set_axis(places, axis=1))
        connection.execute(f"""
            CREATE TABLE staged AS SELECT 0 AS file_number, row_number() OVER () AS row_number,
                   {select_fields(file, city)} FROM sample""")
        blank_unreadable(connection)
        sample_times(connection, file, city)
        yield connection, file, city
