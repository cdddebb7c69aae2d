"""The cleaning rules: what a raw row must have to become an incident.

Enters: `staged` and `covered_day`. Leaves: the temporary table `ruled (…, rule)`, in which `rule` is
the name of the first rule that rejects the row, NULL for a row that is kept.
"""

from dataclasses import dataclass

import duckdb

from etl.city import BoundingBox, City
from etl.reader import RawFile
from warehouse.table import quote_text


@dataclass(frozen=True)
class Rule:
    """One rule. `condition` is true for rows it rejects; empty where another step finds them.

    A rule with a `field` applies only to files that tell that field.
    """

    name: str
    description: str
    condition: str
    field: str | None = None

    def applies_to(self, file: RawFile) -> bool:
        """Return whether the rule can reject rows of `file`."""
        return self.field is None or file.has(self.field)


def list_rules(city: City) -> list[Rule]:
    """Return the rules in the order in which they are tried."""
    return [
        Rule("malformed_row", "Line with the wrong number of fields or broken quotes.", ""),
        Rule("missing_report_number", "No report number.", "report_number IS NULL"),
        Rule(
            "missing_beat",
            "No police beat, or none of the city's, and so no zone.",
            f"NOT coalesce(regexp_full_match(beat, {quote_text(city.beat_pattern)}), false)",
        ),
        Rule(
            "missing_location_type",
            "No location type, in a file that tells it for most rows.",
            "location_type IS NULL",
            field="location_type",
        ),
        Rule("missing_date", "No date and time of occurrence that can be read.", "occurred IS NULL"),
        Rule(
            "missing_coordinates",
            "No coordinates, or zeros in their place.",
            "latitude IS NULL OR longitude IS NULL",
        ),
        Rule("missing_neighborhood", "No neighborhood.", "neighborhood IS NULL"),
        Rule(
            "unknown_offense",
            "No NIBRS code, or none that the FBI defines.",
            "nibrs_code IS NULL OR nibrs_code NOT IN (SELECT nibrs_code FROM offense)",
        ),
        Rule(
            "outside_city",
            "Coordinates outside the rectangle round the city.",
            render_outside(city.bounding_box),
        ),
        Rule(
            "outside_window",
            "Occurred on a day that the files, or the request, do not cover.",
            "occurred::DATE NOT IN (SELECT calendar_date FROM covered_day)",
        ),
        Rule("duplicate", "Same report number and NIBRS code as a row that is kept.", ""),
    ]


def render_outside(box: BoundingBox) -> str:
    """Return the condition that a point lies outside `box`."""
    return (
        f"longitude NOT BETWEEN {box.longitude_min} AND {box.longitude_max} "
        f"OR latitude NOT BETWEEN {box.latitude_min} AND {box.latitude_max}"
    )


def apply_rules(connection: duckdb.DuckDBPyConnection, files: list[RawFile], rules: list[Rule]) -> None:
    """Create `ruled`.

    Duplicates are looked for among the rows that pass everything else, so that a spoilt copy never
    costs a good row. NIBRS allows an offense code once per incident, so report number and code
    identify an offense (FBI NIBRS User Manual, data element 6).
    """
    branches = [
        f"WHEN ({rule.condition}) AND file_number IN ({list_numbers(rule, files)}) "
        f"THEN {quote_text(rule.name)}"
        for rule in rules
        if rule.condition and any(rule.applies_to(file) for file in files)
    ]
    connection.execute(f"""
        CREATE TEMP TABLE ruled AS
        WITH first_hit AS (SELECT *, CASE {" ".join(branches)} END AS hit FROM staged),
        numbered AS (
            SELECT *, row_number() OVER (
                PARTITION BY report_number, nibrs_code, hit
                ORDER BY layout_rank, file_number, row_number) AS copy
            FROM first_hit
        )
        SELECT * EXCLUDE (hit, copy),
               CASE WHEN hit IS NULL AND copy > 1 THEN 'duplicate' ELSE hit END AS rule
        FROM numbered""")


def list_numbers(rule: Rule, files: list[RawFile]) -> str:
    """Return the numbers of the files to which `rule` applies, for an IN clause."""
    return ", ".join(str(file.number) for file in files if rule.applies_to(file))
