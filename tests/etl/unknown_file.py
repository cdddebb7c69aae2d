"""Unknown raw files that tests write, and the drafts that `python -m etl sketch` makes of them."""

import csv
import io
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd

from etl.__main__ import main
from etl.clock_checks import CITY_PROFILE

ROWS = 600
Row = dict[str, str]


def draw_moments() -> pd.DatetimeIndex:
    """Local moments of two years, by hours as a city has them."""
    rng = np.random.default_rng(1)
    weights = np.repeat(CITY_PROFILE, 3)
    hours = rng.choice(24, ROWS, p=weights / weights.sum())
    days = pd.date_range("2021-01-01", periods=ROWS, freq="29h").normalize()
    return days + pd.to_timedelta(hours * 60 + rng.integers(1, 60, ROWS), unit="m")


MOMENTS = draw_moments()


def spell(form: str, moments: pd.DatetimeIndex = MOMENTS) -> list[str]:
    """TimestampColumns as text."""
    return list(moments.strftime(form))


def made_up(**changes: Callable[[int], str]) -> list[Row]:
    """Rows of a made-up file in ISO dates, with columns added or changed."""
    columns: dict[str, Callable[[int], str]] = {
        "Case": lambda n: f"C{n}",
        "Occurred": lambda n: f"{MOMENTS[n]:%Y-%m-%d %H:%M}",
        "Offense": lambda n: ("ROBBERY", "PUNCH-UP")[n % 2],
        "Lon": lambda n: f"-90.5{n % 7}45678",
        "Lat": lambda n: f"41.5{n % 7}45678",
        **changes,
    }
    return [{name: column(n) for name, column in columns.items()} for n in range(ROWS)]


def write(path: Path, rows: list[Row], separator: str = ",", encoding: str = "utf-8") -> Path:
    """Write rows as a text file, or as a workbook whose second sheet they are."""
    if path.suffix == ".xlsx":
        book = openpyxl.Workbook()
        sheet = book.create_sheet("Taten")
        sheet.append(list(rows[0]))
        for row in rows:
            sheet.append([float(text) if text.isdecimal() else text for text in row.values()])
        book.save(path)
        return path
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(stream.getvalue().encode(encoding))
    return path


def sketch(path: Path) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Layout, city and the text of both drafts of a file."""
    out = path.parent / "out"
    assert main(["sketch", str(path), "--out", str(out), "--name", "town"]) == 0
    texts = [(out / room / "town.toml").read_text() for room in ("layouts", "cities")]
    layout, city = map(tomllib.loads, texts)
    return layout, city, "".join(texts)
