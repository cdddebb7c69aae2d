"""Raw files for tests: a good row of each layout, and what a test changes in it."""

import csv
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from etl.city import load_city
from etl.layout import load_layout
from etl.simulate import simulate_file
from warehouse import settings
from warehouse.operation import PREFIX

GOOD_NIBRS: dict[str, str] = {
    "OBJECTID": "1",
    "IncidentNumber": "210010001",
    "FireArmInvolved": "no",
    "ReportDate": "6/1/2021 18:00",
    "OccurredFromDate": "6/1/2021 16:30",
    "OccurredToDate": "6/1/2021 17:00",
    "NibrsUcrCode": "23F",
    "StreetAddress": "1 SECRET ST",
    "LocationType": "RESIDENCE_HOME",
    "Longitude": "-84.3881",
    "Latitude": "33.7561",
    "BEAT_Text": "509",
    "NPU": "M",
    "NhoodName": "Downtown",
}

GOOD_COBRA_2013: dict[str, str] = {
    "offense_id": "130010001",
    "rpt_date": "06/01/2013",
    "occur_date": "06/01/2013",
    "occur_time": "16:30:00",
    "poss_date": "06/01/2013",
    "poss_time": "17:00:00",
    "beat": "509",
    "location": "1 SECRET ST",
    "loc_type": "20",
    "UC2 Literal": "AUTO THEFT",
    "neighborhood": "Downtown",
    "npu": "M",
    "x": "-84.388",
    "y": "33.756",
}

NAMED_IN_TESTS = {"Cascade Avenue/Road", "Downtown", "Home Park", "Midtown", "Mozley Park", "West End"}


@contextmanager
def simulate_fewer(folder: Path) -> Iterator[None]:
    """Let the simulated city have 35 of its 242 neighborhoods meanwhile; the sample lies in `folder`.

    All zones are there, and places outside the neighborhoods.
    """
    reference = folder / "reference"
    shutil.copytree(settings.REFERENCE_DIR, reference)
    header, *lines = (reference / "neighborhood.csv").read_text().splitlines(keepends=True)
    kept = [
        line for number, line in enumerate(lines)
        if number % 8 == 0 or line.split(",")[0] in NAMED_IN_TESTS
    ]  # fmt: skip
    (reference / "neighborhood.csv").write_text("".join([header, *kept]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "REFERENCE_DIR", reference)
        patch.setattr(settings, "RAW_DIR", folder / "raw")  # of a `Request`
        patch.setenv(f"{PREFIX}RAW_FOLDER", str(folder / "raw"))  # of a command
        yield


def write_raw(
    path: Path,
    rows: Iterable[Mapping[str, str]],
    layout: str = "nibrs",
    good: Mapping[str, str] = GOOD_NIBRS,
) -> Path:
    """Write rows that differ from a good one in what each mapping says; return the path."""
    columns = load_layout(layout).columns
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows({**good, **row} for row in rows)
    return path


def write_daily(path: Path, days: int = 100, per_day: int = 4) -> Path:
    """Write `per_day` good nibrs rows on each of some days from 2021-01-01 on; return the path."""
    rows = [
        {
            "IncidentNumber": f"{day:05}{copy:04}",
            **{
                name: f"{1 + day // 28 % 12}/{1 + day % 28}/2021 {12 + copy % 8}:{minute + day % 30:02}"
                for name, minute in (("OccurredFromDate", 0), ("OccurredToDate", 15), ("ReportDate", 20))
            },
            "NhoodName": ("Downtown", "Midtown", "West End")[(day + copy) % 3],
            "NibrsUcrCode": ("23F", "240", "13A", "220")[copy % 4],
        }
        for day in range(days)
        for copy in range(per_day)
    ]
    return write_raw(path, rows)


def write_simulated(path: Path, offenses: int, places: int) -> Path:
    """Write what is simulated of every so many neighborhoods, nameless rows left out; return the path.

    `offenses` are those of the whole city, `places` the neighborhoods that are written.
    """
    whole = path.with_name(f"{path.name}.whole")
    simulate_file(whole, load_city(), offenses)
    with whole.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = sorted({row["NhoodName"] for row in rows} - {""})
    chosen = set(names[:: len(names) // places][:places])
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(row for row in rows if row["NhoodName"] in chosen)
    whole.unlink()
    return path
