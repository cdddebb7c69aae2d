"""The page of quality: how good forecasts were, beside simple models, and where those win.

Input: nothing. Output: HTML of the backtest, the audit by group and the track record of the build.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from flask import Response

from serve.current_build import take_build
from serve.page_scale import DotRow, draw_dots
from serve.pages import blueprint, render_page
from serve.parameters import NoParameters, checked
from warehouse.interval_levels import INTERVAL_LEVELS
from warehouse.read import CORE_TABLES

PUBLISHED = "base_and_forest"
"""The model whose forecast is published, as `mart_model_quality` calls it."""
CELLS, DECILES = "neighborhood_month_hour", "decile"
GRAINS = {
    "neighborhood_month": "a place's month", "neighborhood_day": "a place's day",
    "zone_month": "a zone's month", "city_month": "the city's month",
}  # fmt: skip
"""What is counted where intervals are scored, in words."""
DEVIANCE_RATIO = "deviance_to_reference"
RATIO_ENDS = f"{DEVIANCE_RATIO}_%"
"""Ends of an interval are no scores."""
MIN_DIFFERENCE = 0.0001
"""Scores that differ by less are even."""
MAX_CITY_MONTHS = 24

MART = CORE_TABLES["mart_model_quality"].c
LONGEST = sa.select(sa.func.max(MART.horizon_months)).scalar_subquery()


@blueprint.get("/quality")
@checked
def show_quality(query: NoParameters) -> Response:
    """Answer the page of quality."""
    build = take_build()
    selects = {
        "ratios": select_ratios(), "wins": select_wins(), "origins": select_origins(),
        "tenths": select_tenths(), "coverage": select_coverage(), "groups": select_groups(),
        "months": select_city_months(), "ages": select_ages(), "unscored": select_unscored(),
    }  # fmt: skip
    with build.connect() as connection:
        found = {name: connection.execute(select).all() for name, select in selects.items()}
    horizons = sorted({row.horizon_months for row in found["ratios"]})
    models: dict[str, dict[int, Any]] = {}
    for row in found["ratios"]:
        models.setdefault(row.model, {})[row.horizon_months] = row
    return render_page(
        "quality.html", build, **found, published_model=PUBLISHED, min_difference=MIN_DIFFERENCE,
        grains=GRAINS, horizons=horizons, models=models, **judge_months(found["months"]),
        waiting=[row for row in found["unscored"] if row.state == "whole"],
        lost=[row for row in found["unscored"] if row.state != "whole"], origin_dots=draw_dots(
            [DotRow(f"{row.origin}", row.value, row.lower, row.upper, 1.0) for row in found["origins"]]
        ),
        coverage_dots=draw_dots(
            [DotRow(f"{GRAINS[row.grain]}, {row.level} %", row.mean, row.low, row.high, row.level / 100)
             for row in found["coverage"] if row.horizon_months == horizons[-1]]
        ),
        tenth_dots=draw_dots(
            [DotRow(f"tenth {row.tenth}", row.ratio, None, None, 1.0) for row in found["tenths"]]
        ),
        month_dots=draw_dots(
            [DotRow(f"{row.target_month:%B %Y}", row.expected_month_crimes, row.month_lower_80,
                    row.month_upper_80, row.observed_crimes) for row in found["months"]]
        ),
    )  # fmt: skip


def select_ratios() -> sa.Select[Any]:
    """Return the query for the deviance beside the reference's by model and horizon, mean of origins.

    Beside it at how many origins the model is worse than the reference. Best at the longest first.
    """
    mean = sa.func.avg(MART.value)
    lost = sa.func.count().filter(MART.value > 1)
    at_longest = sa.func.avg(MART.value).filter(MART.horizon_months == LONGEST)
    return (
        sa.select(
            MART.model, MART.horizon_months, mean.label("mean"), lost.label("lost"),
            sa.func.count().label("origins"),
        )
        .where(MART.metric == DEVIANCE_RATIO, MART.grain == CELLS, MART.subset == "all")
        .group_by(MART.model, MART.horizon_months)
        .order_by(sa.func.max(at_longest).over(partition_by=MART.model), MART.model, MART.horizon_months)
    )  # fmt: skip


def select_wins() -> sa.Select[Any]:
    """Return the query for every score in which another model is better: the best of those.

    Means over origins of the same cells, all of them, by metric and horizon. Better is what is nearer to
    the value of a perfect forecast, which is the lowest or the highest possible where lower or higher is
    better; scores without such a value repeat others and are left out.
    """
    distance = sa.func.abs(sa.func.avg(MART.value) - sa.func.max(MART.target_value))
    means = (
        sa.select(
            MART.model, MART.metric, MART.metric_label, MART.horizon_months, distance.label("distance"),
            sa.func.avg(MART.value).label("value"),
        )
        .where(MART.grain == CELLS, MART.subset == "all", MART.metric.not_like(RATIO_ENDS))
        .group_by(MART.model, MART.metric, MART.metric_label, MART.horizon_months)
        .cte()
    )  # fmt: skip
    other, own = means.alias().c, means.alias().c
    return (
        sa.select(
            other.metric_label, other.horizon_months, other.model, other.value,
            own.value.label("own_value"),
        )
        .where(own.model == PUBLISHED, own.metric == other.metric)
        .where(own.horizon_months == other.horizon_months)
        .where(other.distance < own.distance - MIN_DIFFERENCE)
        .distinct(other.metric, other.horizon_months)
        .order_by(other.metric, other.horizon_months, other.distance, other.model)
    )  # fmt: skip


def select_origins() -> sa.Select[Any]:
    """Return the query for the published ratio and its interval by origin, at the longest horizon."""

    def pick(metric: str) -> sa.ColumnElement[float]:
        return sa.func.max(MART.value).filter(MART.metric == metric)

    return (
        sa.select(
            MART.origin, pick(DEVIANCE_RATIO).label("value"),
            pick(f"{DEVIANCE_RATIO}_lower_95").label("lower"),
            pick(f"{DEVIANCE_RATIO}_upper_95").label("upper"),
        )
        .where(MART.model == PUBLISHED, MART.grain == CELLS, MART.subset == "all")
        .where(MART.horizon_months == LONGEST)
        .group_by(MART.origin)
        .order_by(MART.origin)
    )  # fmt: skip


def select_tenths() -> sa.Select[Any]:
    """Return the query for expected and observed crimes by tenth of the cells, mean of origins."""

    def mean(metric: str) -> sa.ColumnElement[float]:
        return sa.func.avg(MART.value).filter(MART.metric == metric)

    tenth = sa.cast(MART.subset, sa.Integer)
    expected, observed = mean("expected_crimes"), mean("observed_crimes")
    return (
        sa.select(
            tenth.label("tenth"), expected.label("expected"), observed.label("observed"),
            (expected / sa.func.nullif(observed, 0)).label("ratio"),
        )
        .where(MART.model == PUBLISHED, MART.grain == DECILES, MART.horizon_months == LONGEST)
        .group_by(MART.subset)
        .order_by(tenth)
    )  # fmt: skip


def select_coverage() -> sa.Select[Any]:
    """Return the query for the coverage of intervals by what is counted, level and horizon."""
    order = {grain: place for place, grain in enumerate(GRAINS)}
    return (
        sa.select(
            MART.grain, MART.metric_level.label("level"), MART.horizon_months,
            sa.func.avg(MART.value).label("mean"), sa.func.min(MART.value).label("low"),
            sa.func.max(MART.value).label("high"),
        )
        .where(MART.model == PUBLISHED, MART.metric_family == "coverage", MART.subset == "all")
        .where(MART.grain.in_(GRAINS), MART.metric_level.in_(INTERVAL_LEVELS))
        .group_by(MART.grain, MART.metric_level, MART.horizon_months)
        .order_by(sa.case(order, value=MART.grain), MART.metric_level, MART.horizon_months)
    )  # fmt: skip


def select_groups() -> sa.Select[Any]:
    """Return the query for the ends of the audit by kind of group; no row where nothing was scored.

    Beside them in how many groups the reference is better, and whose interval leaves out 1.
    """
    audit = CORE_TABLES["group_audit"].c
    return (
        sa.select(
            audit.group_kind, sa.func.count().label("groups"),
            sa.func.min(audit.predicted_to_actual).label("lowest"),
            sa.func.max(audit.predicted_to_actual).label("highest"),
            sa.func.min(audit.coverage).label("least_coverage"),
            sa.func.max(audit.coverage).label("most_coverage"),
            sa.func.max(audit.deviance_to_reference).label("worst_ratio"),
            *(
                sa.func.string_agg(audit.group_name, sa.literal_column("', ' ORDER BY group_name"))
                .filter(condition)
                .label(name)
                for name, condition in (
                    ("too_high", audit.predicted_to_actual_lower > 1),
                    ("too_low", audit.predicted_to_actual_upper < 1),
                    ("lost", audit.deviance_to_reference > 1),
                )
            ),
        )
        .where(audit.predicted_to_actual.is_not(None))
        .group_by(audit.group_kind)
        .order_by(audit.group_kind)
    )  # fmt: skip


def select_city_months() -> sa.Select[Any]:
    """Return the query for the city's newest months as they were forecast last, oldest first."""
    track = CORE_TABLES["mart_track_record"]
    newest = (
        sa.select(track)
        .where(track.c.grain == "city_month")
        .distinct(track.c.target_month)
        .order_by(track.c.target_month.desc(), track.c.cutoff.desc(), track.c.forecast_build_id.desc())
        .limit(MAX_CITY_MONTHS)
        .subquery()
    )
    return sa.select(newest).order_by(newest.c.target_month)


def judge_months(months: Sequence[sa.Row[Any]]) -> dict[str, int]:
    """Return how many months lie in their interval, and in how many each model was nearer."""
    own = [abs(row.expected_month_crimes - row.observed_crimes) for row in months]
    other = [abs(row.reference_month_crimes - row.observed_crimes) for row in months]
    return {
        "inside": sum(row.month_lower_80 <= row.observed_crimes <= row.month_upper_80 for row in months),
        "nearer": sum(a < b for a, b in zip(own, other, strict=True)),
        "farther": sum(a > b for a, b in zip(own, other, strict=True)),
    }


def select_unscored() -> sa.Select[Any]:
    """Return the query for forecasts that cannot be scored, or have met no complete month yet."""
    track = CORE_TABLES["track_build"]
    return (
        sa.select(track)
        .where((track.c.state != "whole") | (track.c.months_scored == 0))
        .order_by(track.c.cutoff, track.c.forecast_build_id)
    )


def select_ages() -> sa.Select[Any]:
    """Return the query for published deviance beside the reference's by grain and age in months."""
    track = CORE_TABLES["mart_track_record"].c
    deviance, reference = sa.func.sum(track.poisson_deviance), sa.func.sum(track.reference_deviance)
    return (
        sa.select(
            track.age_months, sa.func.count().label("months"),
            (deviance / sa.func.nullif(reference, 0)).label("ratio"),
            sa.func.avg(track.coverage_80).label("coverage_80"),
            sa.func.avg(track.coverage_95).label("coverage_95"),
        )
        .where(track.grain == "neighborhood_month")
        .group_by(track.age_months)
        .order_by(track.age_months)
    )  # fmt: skip
