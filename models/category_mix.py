"""What the crimes of a stratum are: offense categories, and what the public reports.

Input: a `Panel` that ends at the origin, and base rates by stratum. Output: shares of offense
categories, and the part that the public reports, per neighborhood, month and hour.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.arrays import Floats, Integers
from models.panel import HOURS, Panel

CITY_PRIOR_WEIGHT = 30.0
"""Prior weight, in incidents of a stratum, of the city's mix in that of a neighborhood and of an hour:
the best log-loss of the category at past origins (docs/adr/0003-scores.md)."""
UNSEEN_INCIDENTS = 0.5
"""Pseudocount of every offense: one that was not seen yet is rare, not impossible."""


@dataclass(frozen=True)
class OffenseMix:
    """Each offense's share of its stratum.

    `shares` (neighborhood, hour, offense) of a stratum add up to 1. `strata` (offense) are numbers of
    strata, `member` (offense, category) is 1 or 0.
    """

    shares: Floats
    strata: Integers
    member: Floats
    is_reported: npt.NDArray[np.bool_]

    def share_categories(self, rates: Floats) -> Floats:
        """Return shares (neighborhood, month, hour, category) of `rates` (…, stratum), 1 together."""
        by_category = np.stack(
            [(rates[:, month][..., self.strata] * self.shares) @ self.member
             for month in range(rates.shape[1])], axis=1,
        )  # fmt: skip
        shares: Floats = by_category / by_category.sum(axis=3, keepdims=True)
        return shares

    def keep_reported(self, rates: Floats) -> Floats:
        """Return the part of `rates` (neighborhood, month, hour, stratum) that the public reports."""
        count = rates.shape[-1]
        of_stratum = (self.strata[:, None] == np.arange(count)) * self.is_reported[:, None]
        kept: Floats = rates * np.minimum(self.shares @ of_stratum, 1)[:, None]
        return kept


def estimate_mix(past: Panel) -> OffenseMix:
    """Return the mix of every stratum, as all months of `past` have it.

    A neighborhood's mix and an hour's are shrunk toward the city's; those of a neighborhood's hour are
    their product, normalised: a few incidents cannot tell more.
    """
    strata = np.array([offense.stratum for offense in past.offenses])
    same = (strata[:, None] == strata[None, :]).astype(np.float64)
    counts = count_offenses(past)
    city = counts.sum(axis=(0, 1)) + UNSEEN_INCIDENTS
    city /= city @ same
    place, hour = (
        (seen + CITY_PRIOR_WEIGHT * city) / (seen @ same + CITY_PRIOR_WEIGHT)
        for seen in (counts.sum(axis=1), counts.sum(axis=0))
    )
    product = place[:, None, :] * (hour / city)[None, :, :]
    names = np.array([offense.category for offense in past.offenses])
    return OffenseMix(
        shares=product / (product @ same),
        strata=strata,
        member=(names[:, None] == np.array(past.category_names)).astype(np.float64),
        is_reported=np.array([offense.is_reported for offense in past.offenses]),
    )


def count_offenses(panel: Panel) -> Floats:
    """Return incidents (neighborhood, hour, offense) of all months."""
    cells = panel.offense_cells
    counts = np.zeros((len(panel.neighborhoods), HOURS, len(panel.offenses)))
    np.add.at(counts, (cells["place"], cells["hour"], cells["offense"]), cells["incidents"])
    return counts
