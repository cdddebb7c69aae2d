"""The models that a backtest scores, each declared once.

Input: nothing. Output: `MODELS`, the names that `backtest_score.model` may hold, and their captions.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    """A model that is scored: its name in `backtest_score`, its caption and its role."""

    name: str
    label: str
    role: str


PUBLISHED = Model("base_and_forest", "Base rate and forest", "published")
BASE = Model("base", "Base rate alone", "base")
REFERENCE = Model("reference_empirical_bayes", "Empirical Bayes average", "reference")
CELL_MEAN = Model("cell_mean", "Mean of the cell", "baseline")
HOUR_MEAN = Model("neighborhood_hour_mean", "Mean of place and hour", "baseline")
SEASONAL_NAIVE = Model("seasonal_naive", "Last year again", "baseline")
POISSON_GLM = Model("poisson_glm", "Poisson main effects", "baseline")
FIRST_VERSION = Model("first_version_published", "First version", "baseline")
FIRST_VERSION_EXPOSURE = Model("first_version_with_exposure", "First version per day", "baseline")
LIGHTGBM = Model("lightgbm_poisson", "LightGBM on the base rate", "baseline")
CITY_SHARES = Model("city_shares", "Shares of the city", "baseline")
PLACE_SHARES = Model("neighborhood_hour_shares", "Shares of place and hour", "reference")
BOOSTED = Model("boosted_identifiers", "Boosted trees on identifiers", "baseline")

MODELS = (
    PUBLISHED, BASE, REFERENCE, CELL_MEAN, HOUR_MEAN, SEASONAL_NAIVE, POISSON_GLM, FIRST_VERSION,
    FIRST_VERSION_EXPOSURE, LIGHTGBM, CITY_SHARES, PLACE_SHARES, BOOSTED,
)  # fmt: skip
