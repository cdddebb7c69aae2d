"""Past origins: what the base rate would have said there, and what then happened.

Input: a `Panel` that ends at the origin. Output: `PastOrigin`s, from which both forests, their blend
weights and the intervals learn. A past origin knows of its own date what a forecast knows of today, no
more.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from models.arrays import Floats, Integers
from models.base_rate import estimate_base
from models.features import make_features
from models.panel import Panel

HORIZON_MONTHS = 12
MIN_HISTORY_MONTHS = 6
"""Observed months that an origin needs before it; months in a gap between files do not count."""
ORIGIN_STEP_MONTHS = 3
MAX_PAST_ORIGINS = 8
"""Past origins at most: two years of quarters."""


@dataclass(frozen=True)
class PastOrigin:
    """One past origin and the observed months after it, `HORIZON_MONTHS` at most.

    `base` are expected crimes per clock hour (neighborhood, month, hour, stratum) as known at `origin`,
    `city_variance` (month) is how uncertain the city's level was (`models.city_level.Level`),
    `features` what the volume forest may know of each cell (neighborhood, month, hour, feature).
    """

    origin: int
    future: Panel
    base: npt.NDArray[np.float32]
    city_variance: Floats
    features: npt.NDArray[np.float32]

    @property
    def targets(self) -> Integers:
        """Month numbers (month) after the origin."""
        return self.future.month_numbers

    @cached_property
    def rates(self) -> Floats:
        """Expected crimes per clock hour (neighborhood, month, hour)."""
        summed: Floats = self.base.sum(axis=3, dtype=np.float64)
        return summed

    @cached_property
    def expected(self) -> Floats:
        """Expected crimes (neighborhood, month, hour) over what was observed of the months."""
        return self.rates * self.future.exposure

    def divide_city_out(self) -> Floats:
        """Return expected counts (neighborhood, month, hour) with every month's city total as it came.

        What the whole city did in a month cannot be known at an origin: what learns of places must not
        take it for theirs.
        """
        observed = self.future.counts.sum(axis=(0, 2))
        shocks = np.maximum(observed, 0.5) / self.expected.sum(axis=(0, 2))
        expected: Floats = self.expected * shocks[None, :, None]
        return expected

    def until(self, end: int) -> "PastOrigin":
        """Return the past_origin as it stood before month `end`."""
        seen = self.targets < end
        return replace(
            self,
            future=self.future.between(self.origin, end),
            base=self.base[:, seen],
            city_variance=self.city_variance[seen],
            features=self.features[:, seen],
        )


def list_past_origins(panel: Panel, origin: int) -> list[int]:
    """Return past origins, newest first, a quarter apart, with enough months before and any after."""
    first = int(panel.month_numbers[0])
    starts = [
        start
        for start in range(origin - ORIGIN_STEP_MONTHS, first, -ORIGIN_STEP_MONTHS)
        if (panel.month_numbers < start).sum() >= MIN_HISTORY_MONTHS
        and len(panel.between(start, min(start + HORIZON_MONTHS, origin)).month_numbers)
    ]
    return starts[:MAX_PAST_ORIGINS]


def replay_origins(panel: Panel, origin: int) -> list[PastOrigin]:
    """Return the past_origins of all past origins, newest first; none where the data is too short."""
    past_origins = []
    for start in list_past_origins(panel, origin):
        past = panel.before(start)
        future = panel.between(start, min(start + HORIZON_MONTHS, origin))
        base = estimate_base(past, start, future.month_numbers)
        features = make_features(past, start, future.month_numbers, base.rates.sum(axis=3))
        shape = (*base.rates.shape[:3], -1)
        past_origins.append(
            PastOrigin(
                start, future, base.rates.astype(np.float32), base.city_variance, features.reshape(shape)
            )
        )
    return past_origins
