"""What the forests may know of a cell: as-of features only.

Input: a `Panel` that ends at the origin, and target months. Output: one row of features per
neighborhood, target month and hour. Nothing here can see the origin's month or later: the panel that
comes in does not hold them.
"""

import numpy as np
import numpy.typing as npt

from models.arrays import Floats, Integers
from models.panel import HOURS, Panel
from warehouse.months import MONTHS

FEATURES = (
    "log_base",
    "log_level",
    "hour_sine",
    "hour_cosine",
    "month_sine",
    "month_cosine",
    "horizon_months",
    "log_recent_trend",
    "log_npu_trend",
    "log_own_hour",
    "log_city_hour",
    "log_city_season",
    "log_own_season",
    "log_base_season",
)

RECENT_MONTHS = 3
TREND_PSEUDOCOUNT = 20.0
"""Added to observed and to expected counts: shrinks their ratio toward 1."""


def make_features(past: Panel, origin: int, targets: Integers, rates: Floats) -> npt.NDArray[np.float32]:
    """Return features of shape (neighborhoods * targets * 24, features), hours fastest.

    `targets` are month numbers from `origin` on, `rates` the base rate (neighborhood, target, hour) as
    known at the origin. Months that `past` never saw give neutral features.
    """
    count = len(past.neighborhoods)
    base = rates.mean(axis=1)
    hour_angle = 2 * np.pi * np.arange(HOURS) / HOURS
    month_angle = 2 * np.pi * (targets % MONTHS) / MONTHS
    recent = past.between(origin - RECENT_MONTHS, origin)
    year = past.between(origin - MONTHS, origin)
    by_place, by_hour, by_month = (-1, 1, 1), (1, 1, -1), (1, -1, 1)
    columns = (
        np.log(base).reshape(count, 1, HOURS),
        np.log(base.sum(axis=1)).reshape(by_place),
        np.sin(hour_angle).reshape(by_hour),
        np.cos(hour_angle).reshape(by_hour),
        np.sin(month_angle).reshape(by_month),
        np.cos(month_angle).reshape(by_month),
        (targets - origin + 1.0).reshape(by_month),
        compare_levels(recent, base, np.arange(count)).reshape(by_place),
        compare_levels(recent, base, group_npus(past)).reshape(by_place),
        compare_hours(year, base).reshape(count, 1, HOURS),
        compare_hours(year, base, whole_city=True).reshape(1, 1, HOURS),
        compare_seasons(past, targets, whole_city=True)[:, :, None],
        compare_seasons(past, targets)[:, :, None],
        np.log(rates / base[:, None]),
    )
    shape = (count, len(targets), HOURS)
    stacked = [np.broadcast_to(column, shape).astype(np.float32) for column in columns]
    return np.stack(stacked, axis=-1).reshape(-1, len(FEATURES))


def group_npus(panel: Panel) -> Integers:
    """Return a number (neighborhood), the same within an NPU."""
    return np.unique([str(npu) for npu in panel.npu], return_inverse=True)[1].astype(np.int64)


def log_ratio(observed: Floats, expected: Floats) -> Floats:
    """Return log(observed / expected) in their shape, shrunk toward 0 by `TREND_PSEUDOCOUNT`."""
    ratio: Floats = np.log((observed + TREND_PSEUDOCOUNT) / (expected + TREND_PSEUDOCOUNT))
    return ratio


def compare_levels(panel: Panel, base: Floats, groups: Integers) -> Floats:
    """Return (neighborhood) how its group's counts in `panel` compare with the base rate."""
    counts, rates = panel.counts.sum(axis=(1, 2)), base @ panel.exposure.sum(axis=0)
    observed, expected = (np.bincount(groups, w).astype(np.float64) for w in (counts, rates))
    return log_ratio(observed, expected)[groups]


def compare_hours(panel: Panel, base: Floats, *, whole_city: bool = False) -> Floats:
    """Return (neighborhood, hour) how counts compare with the base rate; (hour) for the whole city."""
    observed = panel.counts.sum(axis=1)
    expected = base * panel.exposure.sum(axis=0)
    if whole_city:
        return log_ratio(observed.sum(axis=0), expected.sum(axis=0))
    return log_ratio(observed, expected)


def compare_seasons(past: Panel, targets: Integers, *, whole_city: bool = False) -> Floats:
    """Return (neighborhood or 1, target): past same calendar months against the past as a whole."""
    counts, days = past.counts.sum(axis=2), past.days
    if whole_city:
        counts = counts.sum(axis=0, keepdims=True)
    rate = counts.sum(axis=1) / days.sum()
    is_same = (targets[None, :] % MONTHS == past.month_numbers[:, None] % MONTHS).astype(np.float64)
    return log_ratio(counts @ is_same, rate[:, None] * (days @ is_same)[None, :])
