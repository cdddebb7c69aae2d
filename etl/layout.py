"""Raw layouts: which columns a kind of raw file has and what they mean.

Enters: `data/layouts/*.toml`, the header of a raw file. Leaves: the `Layout` the header belongs to.
"""

import csv
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field

from etl.city import City
from warehouse import settings
from warehouse.errors import ShieldError

FIELDS = (
    "report_number", "reported", "reported_clock", "occurred", "occurred_clock", "occurred_until",
    "occurred_until_clock", "nibrs_code", "offense_literal", "beat", "zone", "neighborhood", "npu",
    "latitude", "longitude", "location_type", "firearm_involved",
)  # fmt: skip
"""What the ETL can use of a raw file; all but the first few may be missing from a layout."""
NEEDED = ("report_number", "reported", "occurred", "latitude", "longitude")

UTC = "UTC"
LOCAL = "local"


@dataclass(frozen=True)
class Layout:
    """One raw layout. `fields` maps what the ETL can use to the layout's own column names.

    `optional_columns` are those that a file may lack, none of them among the fields.
    `offense_codes` gives the NIBRS code of what the column `offense_literal` says, in capitals.
    """

    name: str
    columns: tuple[str, ...]
    fields: dict[str, str]
    datetime_formats: tuple[str, ...]
    null_spellings: tuple[str, ...] = ()
    time_zone: str = LOCAL
    offense_codes: dict[str, str] = field(default_factory=dict)
    optional_columns: tuple[str, ...] = ()
    shifts: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a layout that could not be used, naming what is wrong with it."""
        missing = [name for name in NEEDED if name not in self.fields]
        unknown = sorted(set(self.fields) - set(FIELDS))
        stray = sorted(set(self.fields.values()) - self.needed_columns)
        if missing or unknown or stray:
            raise ValueError(
                f"fields missing {missing}, not known {unknown}, not among needed columns {stray}"
            )
        if not {"nibrs_code", "offense_literal"} & set(self.fields):
            raise ValueError("fields need nibrs_code or offense_literal")
        if self.time_zone not in {UTC, LOCAL}:
            raise ValueError(f"time_zone is {self.time_zone!r}, expected {UTC!r} or {LOCAL!r}")

    @property
    def needed_columns(self) -> set[str]:
        """Columns without which a file is not of this layout."""
        return set(self.columns) - set(self.optional_columns)

    def fits(self, header: Sequence[str]) -> bool:
        """Return whether a header has the needed columns, no unknown one, and none twice."""
        found = set(header)
        return self.needed_columns <= found <= set(self.columns) and len(header) == len(found)

    @property
    def is_utc(self) -> bool:
        """Whether its times are UTC; otherwise they are the city's wall clock."""
        return self.time_zone == UTC

    @property
    def has_report_clock(self) -> bool:
        """Whether a report has a time of day, and not only a date."""
        clock_formats = any("%H" in text or "%I" in text for text in self.datetime_formats)
        return clock_formats or "epoch_ms" in self.datetime_formats or "reported_clock" in self.fields


def load_layouts(city: City) -> list[Layout]:
    """Return the city's layouts, the most trusted first."""
    return [load_layout(name) for name in city.layouts]


def load_layout(name: str) -> Layout:
    """Read one layout file. Raises `ShieldError` naming the file and what is wrong with it."""
    path = settings.LAYOUTS_DIR / f"{name}.toml"
    if not path.exists():
        raise ShieldError(f"no layout {name!r}: expected {path}")
    try:
        facts = tomllib.loads(path.read_text())
        for key in ("columns", "optional_columns", "datetime_formats", "null_spellings"):
            facts[key] = tuple(facts.get(key, ()))
        if isinstance(facts.get("offense_codes"), str):
            facts["offense_codes"] = read_codes(facts["offense_codes"])
        return Layout(name=name, **facts)
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise ShieldError(f"{path.name}: not the file of a layout: {error}") from error


def read_codes(name: str) -> dict[str, str]:
    """Return the NIBRS codes of offense literals from a reference table that layouts share."""
    with (settings.REFERENCE_DIR / name).open(newline="") as stream:
        return {row["offense_literal"]: row["nibrs_code"] for row in csv.DictReader(stream)}


def recognize_layout(file_name: str, header: Sequence[str], layouts: Sequence[Layout]) -> Layout:
    """Return the first layout that the header fits, in whatever order the file has its columns.

    Raises `ShieldError` that names the closest layout and the columns that differ.
    """
    for layout in layouts:
        if layout.fits(header):
            return layout
    found = set(header)
    closest = min(layouts, key=lambda layout: len(found ^ set(layout.columns)))
    raise ShieldError(
        f"{file_name}: header matches no known layout; closest is {closest.name}, "
        f"missing {sorted(closest.needed_columns - found)}, "
        f"not expected {sorted(found - set(closest.columns))}"
    )
