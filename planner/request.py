"""What a plan is asked for: a TOML file.

Input: the path of a request, as `plans/example.toml` explains one. Output: a `Request` whose numbers
agree with each other; whether its places are known and its floors can be met, the build says later.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from warehouse.errors import ShieldError
from warehouse.operation import one_of
from warehouse.settings_file import Settings, read_settings, suggest
from warehouse.tables_plan import DEMANDS, REPORTED

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
PATROL_WORDS = ("foot", "bicycle", "motorcycle", "vehicle")
"""The patrol types in a request, in the order of `warehouse.columns.PATROL_TYPES`."""

MAX_EXPONENT = 6
"""More than this is equality to within rounding, and slopes that no solver can tell from 0."""
MAX_HOURS = 10_000
"""Of any number of hours: over a thousand officers in one shift."""


def spread_over_week(value: object) -> object:
    """Return one number for every weekday as seven. Raises `ValueError` for what is neither."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [value] * len(WEEKDAYS)
    if not isinstance(value, list) or len(value) != len(WEEKDAYS):
        raise ValueError(f"found {value!r}, expected a number, or a list of seven from Monday on")
    return value


def check_span(span: str) -> str:
    """Return the hours of a shift. Raises `ValueError` where they are none."""
    if not re.fullmatch(r"([01]\d|2[0-3]):00-([01]\d|2[0-4]):00", span):
        raise ValueError(f"found {span!r}, expected whole hours, as '19:00-07:00'")
    return span


Hours = Annotated[float, Field(ge=0, le=MAX_HOURS, allow_inf_nan=False, strict=True)]
Cap = Annotated[Hours, Field(gt=0)]
Week = Annotated[tuple[Hours, ...], BeforeValidator(spread_over_week)]
Span = Annotated[str, AfterValidator(check_span)]


class TypeHours(Settings):
    """Hours a day by patrol type: one number, or seven from Monday on."""

    foot: Week = (0.0,) * 7
    bicycle: Week = (0.0,) * 7
    motorcycle: Week = (0.0,) * 7
    vehicle: Week = (0.0,) * 7


class Floors(Settings):
    """Least hours, whatever the patrol type."""

    neighborhood_week: Hours = 0.0
    neighborhoods: dict[str, Hours] = {}
    zone_shift: dict[str, Hours] = {}
    zones: dict[str, dict[str, Hours]] = {}


class Caps(Settings):
    """Most hours of a patrol type in a neighborhood, in one shift of one day."""

    foot: Cap | None = None
    bicycle: Cap | None = None
    motorcycle: Cap | None = None
    vehicle: Cap | None = None


class Request(Settings):
    """What a plan is asked for; `file` is the name of its file, `text` what that says."""

    file: Annotated[str, Field(repr=False)]
    text: Annotated[str, Field(repr=False)]
    month: Annotated[int, Field(ge=1, le=12, strict=True)]
    demand: Annotated[str, one_of(DEMANDS)] = REPORTED
    fairness: Annotated[float, Field(ge=0, le=MAX_EXPONENT, allow_inf_nan=False, strict=True)] = 1.0
    unit_hours: Annotated[float, Field(ge=0.25, le=24, allow_inf_nan=False, strict=True)] = 1.0
    seed: Annotated[int, Field(ge=0, lt=2**31, strict=True)] = 1
    left_out: tuple[str, ...] = ()
    shifts: Annotated[dict[str, Span], Field(min_length=1)]
    hours: dict[str, TypeHours]
    floors: Floors = Floors()
    caps: Caps = Caps()

    @field_validator("shifts")
    @classmethod
    def _check_day(cls, shifts: dict[str, str]) -> dict[str, str]:
        """Raise `ValueError` unless the shifts cover the hours of a day once."""
        covered = [hour for span in shifts.values() for hour, _ in list_hours(span)]
        if missing := sorted(set(range(24)) - set(covered)):
            raise ValueError(f"expected every hour of the day in one shift; {missing[0]}:00 is in none")
        if twice := sorted({hour for hour in covered if covered.count(hour) > 1}):
            raise ValueError(f"expected every hour of the day in one shift; {twice[0]}:00 is in two")
        return shifts

    @model_validator(mode="after")
    def _check(self) -> Self:
        """Raise `ValueError` with a line per key that names no shift, or hours that make no units."""
        lines = [*self._list_strange_shifts(), *self._list_parts_of_units()]
        if not lines and not any(hours for _, hours in self._list_budgets()):
            lines = ["hours: no shift has any"]
        if lines:
            raise ValueError("\n".join(lines))
        return self

    def _list_strange_shifts(self) -> Iterator[str]:
        """Yield a line per shift without a table of hours, and per key that names no shift."""
        for name in (shift for shift in self.shifts if shift not in self.hours):
            yield f"hours.{name}: missing, expected the shift's hours; [hours.{name}] alone says none"
        tables: dict[str, Mapping[str, object]] = {
            "hours": self.hours,
            "floors.zone_shift": self.floors.zone_shift,
            **{f"floors.zones.{zone}": by_shift for zone, by_shift in self.floors.zones.items()},
        }
        for key, by_shift in tables.items():
            for name in by_shift.keys() - self.shifts:
                yield f"{key}.{name}: no such shift{suggest(name, self.shifts)}"

    def _list_parts_of_units(self) -> Iterator[str]:
        """Yield a line per number of hours that is no multiple of the unit."""
        floors = self.floors
        numbers = [
            *self._list_budgets(),
            ("floors.neighborhood_week", floors.neighborhood_week),
            *((f"floors.neighborhoods.{name}", hours) for name, hours in floors.neighborhoods.items()),
            *((f"floors.zone_shift.{name}", hours) for name, hours in floors.zone_shift.items()),
            *((f"floors.zones.{zone}.{name}", hours)
              for zone, by_shift in floors.zones.items() for name, hours in by_shift.items()),
            *((f"caps.{word}", getattr(self.caps, word) or 0.0) for word in PATROL_WORDS),
        ]  # fmt: skip
        for key, hours in numbers:
            units = hours / self.unit_hours
            if abs(units - round(units)) > 1e-9 * max(units, 1):
                yield f"{key}: found {hours:g}, expected a multiple of unit_hours, {self.unit_hours:g}"

    def _list_budgets(self) -> Iterator[tuple[str, float]]:
        """Yield every budget with its key."""
        for shift, by_type in self.hours.items():
            for word in PATROL_WORDS:
                for weekday, hours in zip(WEEKDAYS, getattr(by_type, word), strict=True):
                    yield f"hours.{shift}.{word} ({weekday})", hours

    def count_units(self, hours: float) -> int:
        """Return hours as a number of units."""
        return round(hours / self.unit_hours)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def list_hours(span: str) -> Iterator[tuple[int, bool]]:
    """Yield each clock hour of a shift, and whether it lies behind the midnight that the shift spans."""
    first, last = (int(hour) for hour in re.findall(r"(\d\d):", span))
    length = (last - first) % 24 or 24
    for hour in range(first, first + length):
        yield hour % 24, hour >= 24


def read_request(path: Path) -> Request:
    """Return the request in a file. Raises `ShieldError` with a line per mistake, each with its key."""
    if not path.is_file():
        raise ShieldError(f"{path}: there is no such file")
    text = path.read_text(encoding="utf-8", errors="replace")
    return read_settings(path, Request, file=path.name, text=text)
