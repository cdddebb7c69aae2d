"""Requests for tests."""

from pathlib import Path

BASE = """
month = 7
[shifts]
day = "07:00-19:00"
night = "19:00-07:00"
[hours.day]
foot = 10
vehicle = [40, 40, 40, 40, 40, 60, 60]
[hours.night]
foot = 6
vehicle = 30
"""
"""Without floors or caps: 2 shifts, 16 hours of foot patrol and 70 of vehicles on most days."""

FLOORS = """
[floors]
neighborhood_week = 3
[floors.zone_shift]
day = 6
night = 4
"""


def write_request(folder: Path, text: str, name: str = "asked") -> Path:
    """Return a request's file."""
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path
