"""The kinds of district that a city has, and what it calls them.

Input: a city and its raw files. Output: the city's word for each kind; a `ShieldError` where its
files have a kind that it does not name.
"""

from collections.abc import Iterable

from etl.city import City
from etl.raw_file import RawFile
from warehouse.columns import DISTRICT_KINDS
from warehouse.errors import ShieldError


def list_districts(city: City) -> dict[str, str]:
    """Return the city's word for each kind of district (`DISTRICT_KINDS`) that it has."""
    words = {kind: getattr(city.districts, kind) for kind in DISTRICT_KINDS}
    return {kind: word for kind, word in words.items() if word}


def check_districts(files: Iterable[RawFile], city: City) -> None:
    """Raise `ShieldError` naming the layout and the kind of a district that the city has no word for.

    Its incidents would carry districts that the dictionary and the model card deny.
    """
    named = set(list_districts(city))
    for file in files:
        found = set(DISTRICT_KINDS) & set(file.layout.fields)
        if city.beat_pattern and "beat" in found:
            found.add("zone")
        if found - named:
            raise ShieldError(
                f"layout {file.layout.name} has {', '.join(sorted(found - named))}: expected names for "
                f"such districts under [districts] in the file of {city.name}, "
                f"found {', '.join(sorted(named)) or 'none'}"
            )
