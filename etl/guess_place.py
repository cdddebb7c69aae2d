"""Guesses about the place: degrees or not, edges of the city, its country and time zone.

Input: a `Finding` whose columns are guessed. Output: it with what its coordinates show.
"""

import math
import re
import zoneinfo
from importlib import resources

import pandas as pd

from etl.finding import Finding, stage_sample
from etl.layout import COORDINATES, REQUIRES

MAX_LATITUDE = 72
"""No city lies beyond so many degrees: what does is a longitude."""

PROJECTION_HINT = (
    "coordinates are no degrees; the publisher knows their EPSG code, such as EPSG:326nn for metres of "
    "UTM zone nn in the north, or EPSG:2240 for feet of a US state plane (Georgia West)"
)


def find_place(finding: Finding) -> None:
    """Guess the kind of coordinates, the edges of the city, country and time zone."""
    fields, guess = finding.guess.fields, finding.guess
    if single := [name for name in COORDINATES if name in fields and REQUIRES[name] not in fields]:
        guess.drop(single[0], "the other coordinate was not found")
    texts = [text for name in COORDINATES if (text := finding.column(name)) is not None]
    if any(text.str.contains(",").any() for text in texts):
        finding.facts["decimal_comma"] = True
    east, north, *edges = measure_place(finding)
    if None in (east, north):
        return
    if abs(east) <= MAX_LATITUDE < abs(north) <= 180:
        fields["longitude"], fields["latitude"] = fields["latitude"], fields["longitude"]
        guess.doubts.append("names of longitude and latitude seem swapped: mapped by their values")
        east, north, *edges = north, east, *edges[2:], *edges[:2]
    if abs(east) > 180 or abs(north) > 90:
        finding.facts["coordinate_system"] = "EPSG:?"
        guess.doubts.append(PROJECTION_HINT)
        return
    finding.edges, (finding.country, finding.time_zone) = edges, guess_zone(east, north)


def measure_place(finding: Finding) -> tuple[float, ...]:
    """Return the medians of longitude and latitude, and the edges that hold 99 % of either.

    All are None where no coordinate can be read.
    """
    with stage_sample(finding, *COORDINATES) as (connection, *_):
        return connection.execute("""
            SELECT median(longitude), median(latitude),
                   quantile_cont(longitude, 0.005), quantile_cont(longitude, 0.995),
                   quantile_cont(latitude, 0.005), quantile_cont(latitude, 0.995)
            FROM staged""").fetchall()[0]


def guess_zone(longitude: float, latitude: float) -> tuple[str, str]:
    """Return country and time zone of the nearest city that a zone is named after.

    Its offsets are right for 39 of 45 cities of the US, Canada and Europe that were tried.

    A name of three parts is that of a region whose past differs, such as America/Kentucky/Louisville:
    the country's first zone of the same offsets in recent winters and summers stands for it.
    """
    lines = (resources.files("tzdata") / "zoneinfo" / "zone.tab").read_text().splitlines()
    places = [line.split("\t")[:3] for line in lines if not line.startswith("#")]

    def measure(place: list[str]) -> float:
        north, east = read_degrees(place[1])
        return math.hypot(north - latitude, (east - longitude) * math.cos(math.radians(latitude)))

    country, _, zone = min(places, key=measure)
    if zone.count("/") == 1:
        return country, zone
    names = [name for code, _, name in places if code == country and name.count("/") == 1]
    return country, next((name for name in names if list_offsets(name) == list_offsets(zone)), zone)


def read_degrees(text: str) -> list[float]:
    """Return latitude and longitude of ISO 6709 text in degrees and minutes, such as +4042-07400."""
    parts = re.findall(r"([+-])(\d{2,3})(\d\d)(?:\d\d)?(?=[+-]|$)", text)
    return [float(f"{sign}1") * (int(whole) + int(minutes) / 60) for sign, whole, minutes in parts]


def list_offsets(zone: str) -> list[object]:
    """Return a zone's offsets from UTC in the winter and summer of two recent years."""
    moments = [pd.Timestamp(year, month, 15) for year in (2015, 2023) for month in (1, 7)]
    return [moment.tz_localize(zoneinfo.ZoneInfo(zone)).utcoffset() for moment in moments]
