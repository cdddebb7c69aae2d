"""The cleaning rules: what a raw row must have to become an incident, in the order they are tried.

Input: `staged`, `covered_day` and `file_read_date`. Output: the temporary table
`rejected (row_id, rule)`: every row that is not kept, with the first rule that rejects it.
"""

from dataclasses import dataclass

import duckdb

from etl.city import MAY_LACK, BoundingBox, City
from etl.layout import COORDINATES
from etl.raw_file import RawFile
from warehouse.columns import CLEANINGS, STRICT
from warehouse.table import quote_text

MAX_CRITICAL_SHARE = 0.2
"""The department's files lack a location type in up to 14 % of the rows, other fields in 1 %."""

MALFORMED = "malformed_row"
DUPLICATE = "duplicate"
MISSING_DATE = "missing_date"


# A report date after the day of reading cannot be meant: it is repaired, and the crime counts.
OUTSIDE_WINDOW = """
occurred::DATE NOT IN (SELECT calendar_date FROM covered_day)
OR reported::DATE > (SELECT max(calendar_date) FROM covered_day)
AND reported::DATE <= (
    SELECT read_date FROM file_read_date WHERE file_read_date.file_number = staged.file_number)
"""


@dataclass(frozen=True)
class Rule:
    """One rule. `condition` is true for rows it rejects; empty where another step finds them.

    A file of whose rows it rejects more than `max_share` fails the quality checks (`etl.input_checks`).
    A gap is written as a rule too: its rows are kept, and counted against the same limit.
    A rule with `fields` applies only to files that have one of them, one that `is_for_left_out` only to
    files of a layout that leaves offenses out.
    """

    name: str
    max_share: float
    description: str
    condition: str
    fields: tuple[str, ...] = ()
    is_for_left_out: bool = False

    def applies_to(self, file: RawFile) -> bool:
        """Return whether the rule can reject rows of `file`."""
        if self.is_for_left_out:
            return bool(file.layout.left_out_offenses)
        return not self.fields or any(file.has(field) for field in self.fields)


def list_rules(city: City, cleaning: str = CLEANINGS[0]) -> list[Rule]:
    """Return the rules of a `cleaning` (`CLEANINGS`) in the order in which they are tried.

    In the department's files each rule takes under 1 % of the rows: the largest share that is believed
    of a rule lies well above.
    """
    critical = city.critical_fields if cleaning == STRICT else ()
    return [
        Rule(MALFORMED, 0.1, "Line with the wrong number of fields, broken quotes or damaged text.", ""),
        Rule("missing_report_number", 0.1, "No report number.", "report_number IS NULL"),
        *(
            Rule(
                f"missing_{field}",
                MAX_CRITICAL_SHARE,
                f"No {field} that can be read, which the city's file calls critical.",
                f"{field} IS NULL",
                fields=list_sources(city, field),
            )
            for field in critical
        ),
        Rule(MISSING_DATE, 0.1, "No date and time of occurrence that can be read.", "occurred IS NULL"),
        Rule(
            "missing_place",
            0.2,
            "Neither a neighborhood nor coordinates.",
            "neighborhood IS NULL AND latitude IS NULL",
        ),
        Rule(
            "left_out_offense",
            1.0,
            "Offense that the layout of the file leaves out on purpose.",
            "is_left_out",
            is_for_left_out=True,
        ),
        Rule(
            "unknown_offense",
            0.1,
            "No NIBRS code, or none that the FBI defines.",
            "nibrs_code IS NULL OR nibrs_code NOT IN (SELECT nibrs_code FROM offense)",
        ),
        Rule(
            "outside_city",
            0.2,
            "Coordinates outside the rectangle round the city.",
            render_outside(city.bounding_box),
            fields=COORDINATES,
        ),
        Rule(
            "outside_window",
            0.2,
            "Occurred, or was reported, on a day that the files, or the request, do not cover.",
            OUTSIDE_WINDOW,
        ),
        Rule(DUPLICATE, 0.05, "Same report number and NIBRS code as a row that is kept.", ""),
    ]


def list_gaps(city: City) -> list[Rule]:
    """Return what a row may lack and still count, with the share of a file's rows that may lack it.

    Beyond it the column is not read right, and zones, the map or the neighborhoods would tell of a part
    of the crimes. In the department's files 12 % of the rows have no name, other gaps are under 1 %.
    """
    return [
        Rule(
            "missing_zone",
            0.1,
            "No police beat or zone, or none of the city's.",
            "zone IS NULL",
            fields=list_sources(city, "zone"),
        ),
        Rule(
            "missing_coordinates",
            0.2,
            "No coordinates, or zeros in their place.",
            "latitude IS NULL",
            fields=COORDINATES,
        ),
        Rule(
            "missing_neighborhood",
            0.25,
            "No neighborhood, and no polygon to tell it: counted outside the neighborhoods.",
            "is_outside",
        ),
    ]


def list_sources(city: City, field: str) -> tuple[str, ...]:
    """Return the fields of a layout that can tell `field`: a zone may follow from the beat."""
    return ("beat", "zone") if field == "zone" and city.beat_pattern else (field,)


def render_outside(box: BoundingBox) -> str:
    """Return the condition that a point lies outside `box`."""
    return (
        f"longitude NOT BETWEEN {box.longitude_min} AND {box.longitude_max} "
        f"OR latitude NOT BETWEEN {box.latitude_min} AND {box.latitude_max}"
    )


def apply_rules(
    connection: duckdb.DuckDBPyConnection, files: list[RawFile], rules: list[Rule], city: City
) -> None:
    """Create `rejected`: rows under the rules with a condition, then duplicates among the others."""
    branches = [
        f"WHEN ({rule.condition}) AND file_number IN ({list_numbers(rule, files)}) "
        f"THEN {quote_text(rule.name)}"
        for rule in rules
        if rule.condition and any(rule.applies_to(file) for file in files)
    ]
    connection.execute(f"""
        CREATE TEMP TABLE rejected AS
        SELECT row_id, rule FROM (SELECT row_id, CASE {" ".join(branches)} END AS rule FROM staged)
        WHERE rule IS NOT NULL""")
    reject_duplicates(connection, files, city)


def reject_duplicates(connection: duckdb.DuckDBPyConnection, files: list[RawFile], city: City) -> None:
    """Add to `rejected` all but the best row of each report number and NIBRS code.

    Duplicates are looked for among the rows that pass everything else, so that a damaged copy never
    costs a good row; of those that stay, one that lacks less of what may be missing is kept, in the
    most trusted layout. NIBRS allows an offense code once per incident, so report number and code
    identify an offense (FBI NIBRS User Manual, data element 6). Hashes that occur once settle most
    rows without sorting them.
    """
    gaps = " + ".join(f"({field} IS NULL)::INTEGER" for field in MAY_LACK) + " + is_outside::INTEGER"
    ranks = " ".join(f"WHEN {file.number} THEN {city.layouts.index(file.layout.name)}" for file in files)
    connection.execute(f"""
        INSERT INTO rejected
        WITH passed AS (
            SELECT row_id, file_number, report_number, nibrs_code, hash(report_number, nibrs_code) AS h,
                   {gaps} AS gaps
            FROM staged ANTI JOIN rejected USING (row_id)
        ), repeated AS (SELECT h FROM passed GROUP BY h HAVING count(*) > 1)
        SELECT row_id, '{DUPLICATE}' FROM passed SEMI JOIN repeated USING (h)
        QUALIFY row_number() OVER (
            PARTITION BY report_number, nibrs_code
            ORDER BY CASE file_number {ranks} END, gaps, row_id) > 1""")


def list_numbers(rule: Rule, files: list[RawFile]) -> str:
    """Return the numbers of the files to which `rule` applies, for an IN clause."""
    return ", ".join(str(file.number) for file in files if rule.applies_to(file))


def list_unmapped(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, int]]:
    """Return the literals of offenses that no NIBRS code is known for, with rows, most frequent first.

    The code stands in where there is no literal; offenses that are left out on purpose
    are not among them.
    """
    return connection.execute("""
        SELECT upper(coalesce(offense_literal, nibrs_code)) AS literal, count(*) AS rows
        FROM staged ANTI JOIN offense USING (nibrs_code)
        WHERE literal IS NOT NULL AND NOT is_left_out
        GROUP BY literal ORDER BY rows DESC, literal""").fetchall()
