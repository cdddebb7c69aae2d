"""The tables of the audit by group: whom errors and expected crimes fall on.

Input: nothing. Output: declarations, listed in `warehouse.schema`. `etl` fills `demographic_area`,
`area_measure` and `area_member`, the rest comes from `models`.
"""

from dataclasses import replace

from warehouse.columns import DATA_SOURCE, NEIGHBORHOOD
from warehouse.interval_levels import INTERVAL_LEVELS
from warehouse.table import Column, Reconciliation, Table, differ

# A table reads best as a list of paragraphs; the formatter would give each word a line.
# fmt: off

LEVEL = INTERVAL_LEVELS[0]
"""Level in percent of the prediction intervals that are audited."""

FIFTHS = 5
VOLUME = "volume"
"""The kind of group by expected crimes; `zone` and `npu` are others, the rest are census measures."""

MEASURES = (
    "share_black", "share_white", "share_hispanic", "share_asian", "share_below_poverty",
    "share_renters", "median_household_income",
)
"""Census measures that a demographics file may hold."""

GROUP_KIND = Column(
    "group_kind", "VARCHAR",
    f"What groups the neighborhoods: a kind of district, '{VOLUME}' (fifths of the neighborhoods by"
    " expected crimes) or a measure of area_measure (fifths of the residents by it).", "Grouped by",
)
GROUP_NAME = Column(
    "group_name", "VARCHAR", "District, or fifth from '1', the lowest, to '5'.", "Group",
)

NO_FILE = "no demographics file was given"

DEMOGRAPHIC_AREA_TABLE = Table(
    "demographic_area",
    "Areas that census facts are known of, as the operator's demographics file tells them.",
    "area",
    ("area",),
    (
        Column("area", "VARCHAR", "Area that the census figures belong to.", "Area"),
        Column("area_kind", "VARCHAR", "What the area is.", "Kind of area"),
        Column("population", "BIGINT", "Residents of the area.", "Residents", minimum=0,
               aggregation="sum"),
        Column("vintage", "VARCHAR", "Years of the figures; NULL where the file does not say.",
               "Vintage", nullable=True),
        Column("publisher", "VARCHAR", "Who publishes the figures.", "Publisher"),
        Column("licence", "VARCHAR", "Terms of use; NULL where the file does not say.", "Licence",
               nullable=True),
    ),
    empty_where=NO_FILE,
)

IN_AREA = replace(DEMOGRAPHIC_AREA_TABLE.columns[0], references="demographic_area.area")

AREA_MEASURE_TABLE = Table(
    "area_measure",
    "Census figures of each area.",
    "area and measure",
    ("area", "measure"),
    (
        IN_AREA,
        Column(
            "measure", "VARCHAR", "What was measured; shares are of the residents or households.",
            "Measure", allowed=MEASURES,
        ),
        Column("value", "DOUBLE", "The figure; NULL where the file has none.", "Value", nullable=True,
               minimum=0),
        Column(
            "margin", "DOUBLE", "Margin of error, 90 %, in the unit of the value; NULL where the file"
            " has none.", "Margin of error", nullable=True, minimum=0,
        ),
    ),
    empty_where=NO_FILE,
)

AREA_MEMBER_TABLE = Table(
    "area_member",
    "Which neighborhoods an area of demographic_area consists of.",
    "neighborhood",
    ("neighborhood",),
    (NEIGHBORHOOD, IN_AREA),
    empty_where=NO_FILE,
)

BACKTEST_MONTH_TABLE = Table(
    "backtest_month",
    "What was expected of each neighborhood's month at a past origin, and what happened.",
    "origin, neighborhood and month; empty where the backtest was left out",
    ("origin", "neighborhood", "target_month"),
    (
        Column("origin", "DATE", "First day that the model did not know.", "Origin",
               references="backtest_origin.origin"),
        NEIGHBORHOOD,
        Column("target_month", "DATE", "First day of the month that was forecast.", "Month"),
        Column("observed_crimes", "DOUBLE", "Crimes on the observed days of the month.",
               "Observed crimes", unit="crimes", minimum=0, aggregation="sum"),
        Column("expected_crimes", "DOUBLE", "Crimes expected on those days.", "Expected crimes",
               unit="crimes", minimum=0, aggregation="sum"),
        Column("reference_crimes", "DOUBLE", "Crimes that the reference model expected.",
               "Reference", unit="crimes", minimum=0, aggregation="sum"),
        *(
            Column(
                f"{end}_{LEVEL}", "DOUBLE", f"{end.title()} end of the {LEVEL} % prediction interval.",
                f"{end.title()}, {LEVEL} %", unit="crimes", minimum=0,
                aggregation="minimum" if end == "lower" else "maximum",
            )
            for end in ("lower", "upper")
        ),
        DATA_SOURCE,
    ),
    reconciliations=(
        Reconciliation("backtest_month lacks an origin of backtest_origin", """
            SELECT count(*) FROM backtest_origin ANTI JOIN backtest_month USING (origin)"""),
    ),
)

NEIGHBORHOOD_GROUP_TABLE = Table(
    "neighborhood_group",
    "The groups that each neighborhood is in, by the forecast of this build.",
    "neighborhood and kind of group",
    ("neighborhood", "group_kind"),
    (NEIGHBORHOOD, GROUP_KIND, GROUP_NAME, DATA_SOURCE),
)

AVERAGED = " Over all months of backtest_month; NULL without a backtest"

GROUP_AUDIT_TABLE = Table(
    "group_audit",
    "How the forecast treats groups of neighborhoods: errors at past origins, and expected crimes.",
    "kind of group and group",
    ("group_kind", "group_name"),
    (
        GROUP_KIND,
        GROUP_NAME,
        Column("neighborhood_count", "BIGINT", "Neighborhoods of the group.", "Neighborhoods",
               minimum=1),
        Column(
            "population", "BIGINT",
            "Residents of the areas of the group; NULL where no demographics file tells.", "Residents",
            nullable=True, minimum=0,
        ),
        Column("observed_crimes", "DOUBLE", f"Crimes that happened.{AVERAGED}.", "Observed crimes",
               unit="crimes", nullable=True, minimum=0),
        Column(
            "predicted_to_actual", "DOUBLE",
            f"Expected crimes divided by observed ones.{AVERAGED} or crime.", "Predicted / actual",
            nullable=True, minimum=0,
        ),
        *(
            Column(
                f"predicted_to_actual_{end}", "DOUBLE",
                f"{end.title()} end of its 95 % bootstrap interval over blocks of months; NULL where"
                " predicted_to_actual is, or fewer than six months were scored.",
                f"Predicted / actual, {end} 95 %", nullable=True, minimum=0,
            )
            for end in ("lower", "upper")
        ),
        Column(
            "coverage", "DOUBLE",
            f"Share of the neighborhoods' months within their {LEVEL} % interval.{AVERAGED}.",
            f"{LEVEL} % coverage", nullable=True, minimum=0, maximum=1,
        ),
        Column("below_share", "DOUBLE", f"Share below their interval.{AVERAGED}.", "Below the interval",
               nullable=True, minimum=0, maximum=1),
        Column("above_share", "DOUBLE", f"Share above their interval.{AVERAGED}.", "Above the interval",
               nullable=True, minimum=0, maximum=1),
        Column(
            "deviance_to_reference", "DOUBLE",
            f"Poisson deviance divided by the reference model's, below 1 is better.{AVERAGED}.",
            "Deviance / reference", nullable=True, minimum=0,
        ),
        *(
            Column(
                f"{name}_share", "DOUBLE",
                f"The group's share of the city's expected {what} of the twelve forecast months; 0 where"
                " none are expected.", f"Share of {name} crimes", minimum=0, maximum=1,
            )
            for name, what in (
                ("expected", "crimes"),
                ("reported", "crimes that the public reports"),
                ("discretionary", "crimes that follow police activity"),
            )
        ),
        Column(
            "reported_per_1000_residents", "DOUBLE",
            "Expected crimes that the public reports, of the twelve forecast months, per 1,000 residents"
            " of the areas of the group; NULL where population is, or is 0.",
            "Reported crimes per 1,000 residents", unit="crimes a year", nullable=True, minimum=0,
        ),
        DATA_SOURCE,
    ),
    reconciliations=(
        Reconciliation("group_audit does not have the groups of neighborhood_group", """
            SELECT count(*) FROM group_audit FULL JOIN (
                SELECT group_kind, group_name, count(*) AS members FROM neighborhood_group GROUP BY ALL
            ) USING (group_kind, group_name)
            WHERE neighborhood_count IS DISTINCT FROM members"""),
        Reconciliation("shares of intervals hit and missed do not add up to 1", f"""
            SELECT count(*) FROM group_audit
            WHERE coverage IS NOT NULL AND {differ("coverage + below_share + above_share", "1")}"""),
    ),
)
