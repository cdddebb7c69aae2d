"""Breaks in the level of a monthly series: where a change is too large and too sudden for a season.

Input: incidents and observed days per month. Output: `LevelBreak`s. Nothing is drawn at random.

A scan over months and windows, as in syndromic surveillance (Höhle & Paul 2008, Computational
Statistics & Data Analysis 52:4357): in each month, the months from it on are compared with those
before, season taken out, by the likelihood ratio of two negative binomial rates and one, in its Wald
form. Long windows see small changes that stay, short ones a level that returns after some months.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from warehouse.months import MONTHS
from warehouse.settings import BREAK_WINDOW_MONTHS, MIN_MONTH_DAYS

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

SHORT_WINDOWS = (2, 3, 4)
WINDOWS = (
    *((months, months) for months in (*SHORT_WINDOWS, BREAK_WINDOW_MONTHS)),
    *((BREAK_WINDOW_MONTHS, months) for months in SHORT_WINDOWS),
)
"""Months before and from a month on that are compared: a level known for long beside a new one, and,
where the one before was new itself, as many months of both."""
MIN_SIDE_MONTHS = 3
"""Months with enough days that each side must have, if its window is that long."""

ORDINARY_RATIO = 1.12
"""Two levels within this ratio, season taken out, are one: levels drift."""
MIN_SCORE = 3.8
"""Standard errors beyond `ORDINARY_RATIO` from which a change is a break.
`tests/etl/test_level_breaks.py` measures it: under 2 % of five-year series without a break, with
season, overdispersion and drift, have a false one in any window, at a file's edge or not."""
BOUNDARY_ODDS = 20.0
"""How much likelier a break is in a month in which another raw file begins, beside any other month.
Half the square of a score is a log likelihood ratio: its threshold falls by the log of these odds."""

SEASON_PRIOR = (0.12, 0.12, 0.04, 0.04)
"""Standard deviations, on the log scale, of the two waves of a yearly and of a half-yearly season."""
MONTH_NOISE = 0.04
"""Standard deviation of a month's log rate beyond Poisson noise that every series has at least:
weather, holidays, recording."""
HUBER_CUT, MAD_TO_SIGMA, ROUNDS = 1.345, 1.4826, 4
"""Residuals beyond so many standard deviations count for less (Huber 1964, Annals of Mathematical
Statistics 35:73); the median absolute deviation of a normal variable times this is its standard
deviation (Rousseeuw & Croux 1993, JASA 88:1273); rounds of reweighting."""


@dataclass(frozen=True)
class LevelBreak:
    """One break. `month_number` (as in `warehouse.months`) is the first month of the new level.

    `before` and `after` are incidents per observed day in the windows on the two sides, which are
    `months_before` and `months_after` long, season included; `score` is how many standard errors the
    change without it lies beyond `ORDINARY_RATIO`.
    """

    month_number: int
    before: float
    after: float
    months_before: int
    months_after: int
    score: float


def find_breaks(
    month_numbers: Integers, incidents: Floats, days: Floats, boundaries: frozenset[int] = frozenset()
) -> list[LevelBreak]:
    """Return the breaks of one series in order of time.

    `boundaries` are the month numbers in which another raw file begins. Months may be missing; across a
    pause that leaves a side too short nothing is compared, since drift and break cannot be
    distinguished there. The clearest break is taken first, then the clearest of those whose windows do
    not reach across it (binary segmentation, Vostrikova 1981, Soviet Mathematics Doklady 24:55). Raises
    `ValueError` when months do not ascend.
    """
    if len(month_numbers) == 0:
        return []
    if (np.diff(month_numbers) <= 0).any():
        raise ValueError("find_breaks: expected month numbers that ascend without repetition")
    first = int(month_numbers[0])
    place = month_numbers - first
    counts, exposure = np.zeros((2, int(place[-1]) + 1))
    enough = days >= MIN_MONTH_DAYS
    counts[place[enough]] = incidents[enough]
    exposure[place[enough]] = days[enough]
    scores = score_months(counts, exposure)
    is_boundary = np.isin(first + np.arange(len(counts)), list(boundaries))
    breaks = []
    for number, month in keep_clearest(scores, find_thresholds(is_boundary)):
        before, after = rate_sides(counts, exposure, WINDOWS[number])[:, month].tolist()
        score = float(scores[number, month])
        breaks.append(LevelBreak(first + month, before, after, *WINDOWS[number], score))
    return breaks


def find_thresholds(is_boundary: Booleans) -> Floats:
    """Return the score from which a change is a break (month)."""
    lowered = np.sqrt(MIN_SCORE**2 - 2 * np.log(BOUNDARY_ODDS))
    return np.where(is_boundary, lowered, MIN_SCORE)


def keep_clearest(scores: Floats, thresholds: Floats) -> list[tuple[int, int]]:
    """Return the window and month of each break in order of time, none reaching across another."""
    left = np.where(scores >= thresholds, scores / thresholds, 0.0)
    month = np.arange(scores.shape[1])
    kept = []
    while left.max() > 0:
        window, best = (int(place) for place in np.unravel_index(left.argmax(), left.shape))
        kept.append((window, best))
        for row, (before, after) in zip(left, WINDOWS, strict=True):
            row[(month - before < best) & (best < month + after)] = 0
    return sorted(kept, key=lambda found: found[1])


def rate_sides(counts: Floats, exposure: Floats, window: tuple[int, int]) -> Floats:
    """Return incidents per day before and from each month on (side, month); 0 without days."""
    rates: Floats = sum_sides(counts, window) / np.maximum(sum_sides(exposure, window), 1)
    return rates


def score_months(counts: Floats, exposure: Floats) -> Floats:
    """Return the score of a break (window, month); 0 where a side is too short.

    The change is the log ratio of the pooled rates, season taken out of the exposure, with half an
    incident added on each side (Haldane 1956, Ann. Hum. Genet. 20:309) so that a series may end.
    Counts are negative binomial: of n incidents in k months the log rate has, by the delta method, the
    variance 1 / (n + 1/2) + d / k. The dispersion d is the larger of the series' and that of the
    months compared: neither a single wild month nor a ragged rise is a new level.
    """
    observed = (exposure > 0).astype(np.float64)
    logs = observed * np.log((counts + 0.5) / np.maximum(exposure, 1))
    season = observed * fit_season(logs, observed > 0, 1 / (counts + 0.5) + MONTH_NOISE**2)
    level, expected = logs - season, exposure * np.exp(season)
    dispersion = measure_dispersion(level, counts, observed > 0)
    scores = np.zeros((len(WINDOWS), len(counts)))
    for number, window in enumerate(WINDOWS):
        months = sum_sides(observed, window)
        seen = sum_sides(counts, window) + 0.5
        rates = np.log(seen / np.maximum(sum_sides(expected, window), 1))
        squares = sum_sides(level**2, window) - sum_sides(level, window) ** 2 / np.maximum(months, 1)
        freedom = np.maximum(months.sum(axis=0) - 2, 1)
        local = np.maximum(squares, 0).sum(axis=0) / freedom - months.sum(axis=0) / seen.sum(axis=0)
        variance = (1 / seen + np.maximum(dispersion, local) / np.maximum(months, 1)).sum(axis=0)
        beyond = (np.abs(rates[1] - rates[0]) - np.log(ORDINARY_RATIO)) / np.sqrt(variance)
        needed = np.minimum(window, MIN_SIDE_MONTHS)[:, None]
        scores[number] = np.where((months >= needed).all(axis=0) & (observed > 0), beyond, 0.0)
    return scores


def fit_season(logs: Floats, observed: Booleans, variances: Floats) -> Floats:
    """Return the season of the log rates (month): a yearly and a half-yearly wave, mean about 0.

    Fitted to the changes from month to month, in which a level that breaks or drifts is one residual
    or a small one, by Huber's M-estimator with a normal prior, `SEASON_PRIOR`: a series of months
    without a second year has next to no season. `variances` are those of the log rates.
    """
    month = np.arange(len(logs))
    waves = np.column_stack(
        [wave(2 * np.pi * k * month / MONTHS) for k in (1, 2) for wave in (np.cos, np.sin)]
    )
    known = observed[1:] & observed[:-1]
    season = np.zeros(len(SEASON_PRIOR))
    if not known.any():
        return waves @ season
    changes, of_waves = np.diff(logs)[known], np.diff(waves, axis=0)[known]
    noise = (variances[1:] + variances[:-1])[known]
    for _ in range(ROUNDS):
        residuals = np.abs(changes - of_waves @ season)
        scale = np.sqrt(np.maximum((MAD_TO_SIGMA * np.median(residuals)) ** 2, noise))
        weights = np.minimum(1, HUBER_CUT * scale / np.maximum(residuals, 1e-12)) / scale**2
        weighted = of_waves.T * weights
        precision = weighted @ of_waves + np.diag(np.array(SEASON_PRIOR) ** -2.0)
        season = np.linalg.solve(precision, weighted @ changes)
    return waves @ season


def measure_dispersion(level: Floats, counts: Floats, observed: Booleans) -> float:
    """Return the variance of a month's log rate beyond Poisson noise, at least `MONTH_NOISE` squared.

    Half that of the changes from month to month, by their median absolute deviation: a break is one of
    many.
    """
    known = observed[1:] & observed[:-1]
    if not known.any():
        return MONTH_NOISE**2
    changes = np.abs(np.diff(level)[known])
    poisson = np.median(1 / (counts[observed] + 0.5))
    return float(max((MAD_TO_SIGMA * np.median(changes)) ** 2 / 2 - poisson, MONTH_NOISE**2))


def sum_sides(values: Floats, window: tuple[int, int]) -> Floats:
    """Return the sums over the window before each month and over that from it on (side, month)."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    month = np.arange(len(values))
    before = total[month] - total[np.maximum(month - window[0], 0)]
    after = total[np.minimum(month + window[1], len(values))] - total[month]
    return np.stack([before, after])
