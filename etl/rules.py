"""The cleaning rules: what a raw row must have to become an incident, in the order they are tried.

Input: `staged`, `covered_day` and `file_read_date`. Output: the temporary table
`rejected (row_id, rule)`: every row that is not kept, with the first rule that rejects it.
"""

from dataclasses import dataclass

import duckdb

from etl.city import BoundingBox, City
from etl.layout import COORDINATES
from etl.raw_file import RawFile
from warehouse.table import quote_text

MALFORMED = "malformed_row"
DUPLICATE = "duplicate"


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


def list_rules(city: City) -> list[Rule]:
    """Return the rules in the order in which they are tried.

    In the department's files missing names take 12 % of the rows, missing types of place 14 % and each
    other rule under 1 %: the largest share that is believed of a rule lies well above.
    """
    return [
        Rule(MALFORMED, 0.1, "Line with the wrong number of fields, broken quotes or damaged text.", ""),
        Rule("missing_report_number", 0.1, "No report number.", "report_number IS NULL"),
        Rule(
            "missing_beat",
            0.1,
            "No police beat or zone, or none of the city's.",
            "zone IS NULL",
            fields=("beat", "zone") if city.beat_pattern else ("zone",),
        ),
        Rule(
            "missing_location_type",
            0.2,
            "No location type, in a file that tells it for most rows.",
            "location_type IS NULL",
            fields=("location_type",),
        ),
        Rule(
            "missing_date", 0.1, "No date and time of occurrence that can be read.", "occurred IS NULL"
        ),
        Rule(
            "missing_coordinates",
            0.2,
            "No coordinates, or zeros in their place.",
            "latitude IS NULL OR longitude IS NULL",
            fields=COORDINATES,
        ),
        Rule(
            "missing_neighborhood",
            0.25,
            "No neighborhood, and no polygon to tell it.",
            "neighborhood IS NULL",
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
    """Add to `rejected` all but the most trusted row of each report number and NIBRS code.

    Duplicates are looked for among the rows that pass everything else, so that a damaged copy never
    costs a good row. NIBRS allows an offense code once per incident, so report number and code
    identify an offense (FBI NIBRS User Manual, data element 6). Hashes that occur once settle most
    rows without sorting them.
    """
    ranks = " ".join(f"WHEN {file.number} THEN {city.layouts.index(file.layout.name)}" for file in files)
    connection.execute(f"""
        INSERT INTO rejected
        WITH passed AS (
            SELECT row_id, file_number, report_number, nibrs_code, hash(report_number, nibrs_code) AS h
            FROM staged ANTI JOIN rejected USING (row_id)
        ), repeated AS (SELECT h FROM passed GROUP BY h HAVING count(*) > 1)
        SELECT row_id, '{DUPLICATE}' FROM passed SEMI JOIN repeated USING (h)
        QUALIFY row_number() OVER (
            PARTITION BY report_number, nibrs_code
            ORDER BY CASE file_number {ranks} END, row_id) > 1""")


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
