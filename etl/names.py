"""Spellings of the same name, merged.

Input: `staged`, a city's aliases and the names of its polygons. Output: `staged` with one spelling of
each neighborhood, NPU, zone and beat, and the columns `raw_neighborhood` (what the file says, NULL in
rows that are not renamed) and `is_district_renamed`.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

import duckdb
import pandas as pd

from etl.city import City
from warehouse.table import quote_text


def tidy_name(text: str) -> str:
    """Return `text` with single spaces only, in Unicode form NFC, and `14.0` as `14`.

    White space includes tabs and no-break spaces. The `.0` comes from programs that read a column of
    numbers with a missing value in it.
    """
    spaced = " ".join(unicodedata.normalize("NFC", text).split())
    return re.sub(r"^([0-9]+)\.0$", r"\1", spaced)


def fold_name(text: str) -> str:
    """Return the key that spellings of the same name share: tidy, NFKC, without case, dashes as hyphens.

    Folding case can undo the normal form, so that it is taken before and after (The Unicode Standard,
    section 3.13, "Compatibility caseless match").
    """
    folded = tidy_name(unicodedata.normalize("NFKC", text)).casefold()
    return re.sub("[\u2010-\u2015]", "-", unicodedata.normalize("NFKC", folded))


def choose_names(
    counts: Mapping[str, int], preferred: Iterable[str] = (), aliases: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the name to use for each raw name that is not spelled so already.

    `counts` are rows per raw name. An alias names another place than its own spelling would. Of the
    spellings of a name the first of `preferred` wins, then the alias's target, then the tidied spelling
    with most rows, then the first in sort order. Text of white space only becomes "".
    """
    targets = {fold_name(alias): target for alias, target in (aliases or {}).items()}
    rows: Counter[str] = Counter()
    for raw, count in counts.items():
        rows[tidy_name(raw)] += count
    ranked = sorted(rows, key=lambda name: (-rows[name], name))
    spellings: dict[str, str] = {}
    for name in (*preferred, *targets.values(), *ranked):
        spellings.setdefault(fold_name(name), name)
    names = {raw: spellings[fold_name(targets.get(fold_name(raw), raw))] for raw in counts}
    return {raw: name for raw, name in names.items() if name != raw}


def unify_names(connection: duckdb.DuckDBPyConnection, city: City, polygon_names: Iterable[str]) -> None:
    """Give every neighborhood, NPU, zone and beat of `staged` one spelling; NULL stays NULL.

    What the city's pattern does not take for a beat becomes NULL.
    """
    connection.execute("ALTER TABLE staged ADD COLUMN raw_neighborhood VARCHAR")
    connection.execute("ALTER TABLE staged ADD COLUMN is_district_renamed BOOLEAN DEFAULT false")
    neighborhoods = count_values(connection, "neighborhood")
    names = choose_names(neighborhoods, polygon_names, city.neighborhood_aliases)
    rename(connection, "neighborhood", names, "raw_neighborhood = neighborhood")
    for column in ("beat", "zone", "npu"):  # a beat first: the zone may follow from it
        names = choose_names(count_values(connection, column))
        rename(connection, column, names, "is_district_renamed = true", *assign_zone(city, column))
    if city.beat_pattern:
        connection.execute(
            f"UPDATE staged SET beat = NULL WHERE NOT regexp_matches(beat, {quote_pattern(city)})"
        )


def count_values(connection: duckdb.DuckDBPyConnection, column: str) -> dict[str, int]:
    """Return the rows of each value of a column of `staged`, NULL left out."""
    found = connection.execute(
        f"SELECT {column}, count(*) FROM staged WHERE {column} IS NOT NULL GROUP BY ALL"
    )
    return dict(found.fetchall())


def rename(
    connection: duckdb.DuckDBPyConnection, column: str, names: Mapping[str, str], *marks: str
) -> None:
    """Replace the values of a column that `names` maps, "" by NULL; `marks` are assignments too."""
    if not names:
        return
    connection.register("renaming", pd.DataFrame(names.items(), columns=["raw_name", "name"]))
    assignments = ", ".join((f"{column} = nullif(name, '')", *marks))
    connection.execute(f"UPDATE staged SET {assignments} FROM renaming WHERE {column} = raw_name")
    connection.unregister("renaming")


def assign_zone(city: City, column: str) -> list[str]:
    """Return the assignment of the zone that follows from a renamed beat; none did from the raw one."""
    if column != "beat" or not city.beat_pattern:
        return []
    return [f"zone = coalesce(nullif(regexp_extract(name, {quote_pattern(city)}, 1), ''), zone)"]


def quote_pattern(city: City) -> str:
    """Return the pattern that a whole beat of the city fits, as SQL."""
    return quote_text(f"^(?:{city.beat_pattern})$")
