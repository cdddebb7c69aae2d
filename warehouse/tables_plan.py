"""Tables of a patrol plan, a file of its own that `planner` writes: no build has them.

Input: nothing. Output: declarations, listed in `warehouse.schema` as `PLAN_TABLES`.
"""

from dataclasses import replace

from warehouse.columns import (
    DATA_SOURCE,
    EXPECTED_CRIMES,
    EXPECTED_REPORTED_CRIMES,
    FORECAST_MONTH,
    ISO_WEEKDAY,
    MONTH,
    NEIGHBORHOOD,
    PATROL_TYPE,
    WEEKDAY_NAME,
    ZONE,
)
from warehouse.table import Column, Reconciliation, Table, differ
from warehouse.tables_groups import GROUP_KIND, GROUP_NAME

# A table reads best as a list of paragraphs; the formatter would give each word a line.
# fmt: off

BUDGET, ZONE_FLOOR, NEIGHBORHOOD_FLOOR, CAP = "budget", "zone floor", "neighborhood floor", "cap"
SOLVERS = GREEDY, LINEAR, INTEGER = "largest slopes", "linear program", "integer program"
DEMANDS = REPORTED, ALL = "reported", "all"

PLACE = replace(NEIGHBORHOOD, references="plan_neighborhood.neighborhood")
SHIFT = Column("shift", "VARCHAR", "Shift as the request names it.", "Shift")
OF_TYPE = replace(PATROL_TYPE, description="Patrol type of the hours.")
FAIRNESS = Column(
    "fairness", "DOUBLE",
    "Exponent by which a further hour in the same cell counts for less: 0 the busiest take all, 1 equal"
    " hours for each expected crime of a weekday, shift and patrol type, 2 hours by the root of expected"
    " crimes, large equal hours.",
    "Fairness", minimum=0,
)
OBJECTIVE = Column(
    "objective", "DOUBLE",
    "What the plan makes as large as it can: expected crimes, each unit of hours weighed by its number,"
    " less a half, to the power of minus fairness. Only plans of the same fairness compare.",
    "Objective", minimum=0,
)
SOLVER = Column("solver", "VARCHAR", "How the plan was found.", "Solver", allowed=SOLVERS)
GAP = Column(
    "gap", "DOUBLE",
    "Share of the objective by which a plan could be better at most; 0 where this is the best.", "Gap",
    minimum=0, maximum=1,
)
PLAN_ID = Column(
    "plan_id", "VARCHAR", "Follows from the build and the request's text: others give another.", "Plan"
)

PLAN_HOURS_TABLE = Table(
    "plan_hours",
    "Patrol-hours where crime is expected, on each weekday of an average week of the month.",
    "neighborhood, weekday, shift and patrol type; 0 hours where none are planned",
    ("neighborhood", "iso_weekday", "shift", "patrol_type"),
    (
        PLACE,
        ZONE,
        replace(ISO_WEEKDAY, description="Weekday on which the shift begins, Monday 1 to Sunday 7."),
        WEEKDAY_NAME,
        SHIFT,
        OF_TYPE,
        Column("hours", "DOUBLE", "Planned hours.", "Hours", unit="hours per day", minimum=0,
               aggregation="sum"),
        replace(
            EXPECTED_CRIMES, unit="crimes per shift",
            description="Expected crimes in that shift of such a day whose offense calls for this type.",
        ),
        replace(EXPECTED_REPORTED_CRIMES, unit="crimes per shift"),
        DATA_SOURCE,
    ),
    reconciliations=(
        Reconciliation("plan_neighborhood is not the sum of plan_hours", f"""
            SELECT count(*) FROM plan_neighborhood FULL JOIN (
                SELECT neighborhood, sum(hours) AS week, sum(expected_crimes) AS crimes,
                       sum(expected_reported_crimes) AS reported
                FROM plan_hours GROUP BY ALL
            ) USING (neighborhood)
            WHERE coalesce({differ("hours", "week")} OR {differ("expected_crimes", "crimes")}
               OR {differ("expected_reported_crimes", "reported")}, true)"""),
    ),
)

PLAN_NEIGHBORHOOD_TABLE = Table(
    "plan_neighborhood",
    "Weekly patrol-hours of each neighborhood, and how far they hang on what is uncertain.",
    "neighborhood that is not left out",
    ("neighborhood",),
    (
        replace(NEIGHBORHOOD, references=None),
        ZONE,
        Column("hours", "DOUBLE", "Planned hours.", "Hours", unit="hours per week", minimum=0,
               aggregation="sum"),
        *(
            Column(
                f"hours_{end}_80", "DOUBLE",
                f"{end.title()} end of the range that holds 80 % of the hours in plans for levels of the"
                " neighborhoods that are drawn anew within their uncertainty.",
                f"Hours, {end} 80 %", unit="hours per week", minimum=0,
            )
            for end in ("lower", "upper")
        ),
        Column(
            "overdispersion", "DOUBLE",
            "Variance of the neighborhood's level beside the city's, relative to its square.",
            "Overdispersion", minimum=0,
        ),
        replace(EXPECTED_CRIMES, description="Expected crimes of a week.", unit="crimes per week"),
        replace(EXPECTED_REPORTED_CRIMES, unit="crimes per week"),
        Column(
            "hours_per_expected_crime", "DOUBLE",
            "Hours by expected crimes, of those that the request counts; NULL where none is expected.",
            "Hours per expected crime", unit="hours per crime", nullable=True, minimum=0,
        ),
        DATA_SOURCE,
    ),
    reconciliations=(
        Reconciliation("a range of hours ends before it begins", """
            SELECT count(*) FROM plan_neighborhood WHERE hours_lower_80 > hours_upper_80"""),
    ),
)

PLAN_LIMIT_TABLE = Table(
    "plan_limit",
    "Budgets, floors and caps that bind, and what an hour of each is worth.",
    "limit that binds, the dearest first",
    ("limit_number",),
    (
        Column("limit_number", "INTEGER", "1 for the highest shadow price.", "Number", minimum=1),
        Column("limit_kind", "VARCHAR", "What kind of limit it is.", "Limit",
               allowed=(BUDGET, ZONE_FLOOR, NEIGHBORHOOD_FLOOR, CAP)),
        replace(ZONE, description="Zone that a floor holds for; NULL of other limits."),
        replace(
            PLACE, nullable=True,
            description="Neighborhood that a floor or a cap holds for; NULL of other limits.",
        ),
        replace(ISO_WEEKDAY, nullable=True,
                description="Weekday, Monday 1 to Sunday 7; NULL where the limit is a week's."),
        replace(SHIFT, nullable=True, description="Shift; NULL where the limit is a week's."),
        replace(OF_TYPE, nullable=True,
                description="Patrol type; NULL where hours of all types count."),
        Column("limit_hours", "DOUBLE", "The limit.", "Limit, hours", unit="hours", minimum=0),
        Column(
            "shadow_price", "DOUBLE",
            "What the objective gains by one unit (unit_hours) more of a budget or a cap, or loses by"
            " the last unit of a floor, per hour; with floors the most that this can be.",
            "Shadow price", unit="objective per hour", minimum=0,
        ),
        Column("description", "VARCHAR", "The same in words.", "In words"),
        DATA_SOURCE,
    ),
)

PLAN_GROUP_TABLE = Table(
    "plan_group",
    "Weekly hours of groups of neighborhoods: by district, by volume, by census measure.",
    "kind of group and group",
    ("group_kind", "group_name"),
    (
        GROUP_KIND,
        GROUP_NAME,
        Column("left_out_count", "BIGINT", "Neighborhoods of the group that the request leaves out.",
               "Left out", minimum=0),
        Column("hours", "DOUBLE", "Planned hours.", "Hours", unit="hours per week", minimum=0),
        replace(EXPECTED_REPORTED_CRIMES, unit="crimes per week"),
        Column(
            "population", "BIGINT", "Residents of the areas of the group; NULL where the build's"
            " group_audit has none.", "Residents", nullable=True, minimum=0,
        ),
        Column(
            "hours_per_reported_crime", "DOUBLE",
            "Hours by expected reported crimes; NULL where none is expected.",
            "Hours per reported crime", unit="hours per crime", nullable=True, minimum=0,
        ),
        Column(
            "hours_per_1000_residents", "DOUBLE",
            "Weekly hours per 1,000 residents; NULL where population is, is 0, or a neighborhood of the"
            " group is left out.", "Hours per 1,000 residents", unit="hours per week", nullable=True,
            minimum=0,
        ),
        DATA_SOURCE,
    ),
    reconciliations=(
        Reconciliation("a kind of plan_group does not have all hours of plan_neighborhood", f"""
            SELECT count(*) FROM (SELECT sum(hours) AS grouped FROM plan_group GROUP BY group_kind)
            CROSS JOIN (SELECT sum(hours) AS planned FROM plan_neighborhood)
            WHERE {differ("grouped", "planned")}"""),
    ),
)

PLAN_TRADE_OFF_TABLE = Table(
    "plan_trade_off",
    "The same request at other values of fairness and other floors: what each would give and cost.",
    "fairness and multiple of the floors",
    ("fairness", "floor_multiple"),
    (
        FAIRNESS,
        Column("floor_multiple", "DOUBLE", "Floors of the request times this; 0 is without.",
               "Floor multiple", minimum=0),
        Column("is_request", "BOOLEAN", "Whether it is the plan that was asked for.", "The request"),
        Column("is_feasible", "BOOLEAN", "Whether such floors can be met; if not, the rest is NULL.",
               "Feasible"),
        Column("neighborhoods_without_hours", "BIGINT", "Neighborhoods without any hour.",
               "Neighborhoods without hours", nullable=True, minimum=0),
        Column(
            "patrolled_share", "DOUBLE",
            "Share of the expected crimes that the request counts in cells (neighborhood, weekday,"
            " shift, patrol type) with a patrol.", "Share in cells with a patrol", nullable=True,
            minimum=0, maximum=1,
        ),
        Column(
            "hours_gini", "DOUBLE",
            "Gini coefficient of the weekly hours per expected crime over expected crimes: 0 where each"
            " has the same hours, wherever it is.", "Gini of hours per expected crime",
            nullable=True, minimum=0, maximum=1,
        ),
        Column(
            "moved_share", "DOUBLE",
            "Share of the hours that lie elsewhere than in the plan of that fairness without floors.",
            "Hours moved by floors", nullable=True, minimum=0, maximum=1,
        ),
        replace(OBJECTIVE, nullable=True),
        Column(
            "objective_loss_share", "DOUBLE",
            "Share of the objective that the floors cost, beside no floors at the same fairness.",
            "Cost of floors", nullable=True, minimum=0, maximum=1,
        ),
        replace(SOLVER, nullable=True),
        replace(GAP, nullable=True),
        DATA_SOURCE,
    ),
)

PLAN_REQUEST_TABLE = Table(
    "plan_request",
    "What was asked of which build, and how the plan was found. Nothing in it says that patrols reduce"
    " crime: it places hours where crime is expected.",
    "plan, one row",
    ("plan_id",),
    (
        PLAN_ID,
        Column("request_text", "VARCHAR", "Text of the request's file.", "Request"),
        Column("request_hash", "VARCHAR", "SHA-256 of that text.", "Request hash"),
        Column("build_id", "VARCHAR", "Build that the plan was made from.", "Build"),
        Column("cutoff", "DATE", "Last day that the build's forecast knew.", "Cutoff"),
        MONTH,
        FORECAST_MONTH,
        Column("demand", "VARCHAR", "Whose crimes count: those that the public reports, or all.",
               "Demand", allowed=DEMANDS),
        FAIRNESS,
        Column("seed", "BIGINT", "Decides between equal cells and draws levels.", "Seed", minimum=0),
        Column("budget_hours", "DOUBLE", "Hours that the request has.", "Budget",
               unit="hours per week", minimum=0),
        Column("planned_hours", "DOUBLE", "Hours that the plan uses.", "Planned hours",
               unit="hours per week", minimum=0),
        OBJECTIVE,
        SOLVER,
        GAP,
        Column("atlshield_version", "VARCHAR", "Version of this program.", "ATLShield version"),
        Column("scipy_version", "VARCHAR", "Version of the solver's library.", "SciPy version"),
        Column("numpy_version", "VARCHAR", "Version of what draws levels.", "NumPy version"),
        DATA_SOURCE,
    ),
)
