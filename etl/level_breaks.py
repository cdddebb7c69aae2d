"""Breaks in the level of a monthly series: where a change is too large and too sudden for a season.

Input: incidents and observed days per month. Output: `LevelBreak`s. Nothing is drawn at random. The
windows on both sides are `BREAK_WINDOW_MONTHS` long, half a season, so that peak and trough even out in
part.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from warehouse.settings import BREAK_WINDOW_MONTHS, MIN_MONTH_DAYS

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Sides = tuple[Floats, Floats]

MIN_SIDE_MONTHS = 3
"""Months with enough days that each side must have: below that, a level is not known."""

ORDINARY_RATIO = 1.25
"""Two levels within this ratio are one: half a year of a season of 15 % above and below its mean
against the other half gives 1.21, and three months at an end against the half year next to them 1.24."""

MIN_SCORE = 4.0
"""Standard errors beyond `ORDINARY_RATIO` from which a change is a break.
`tests/etl/test_level_breaks.py` measures it: under 2 % of
five-year series without a break, seasonal or not, have a false one."""


@dataclass(frozen=True)
class LevelBreak:
    """One break. `month_number` (as in `warehouse.months`) is the first month of the new level.

    `before` and `after` are incidents per observed day in the windows on the two sides; `score` is
    how many standard errors the change lies beyond `ORDINARY_RATIO`.
    """

    month_number: int
    before: float
    after: float
    score: float


def find_breaks(month_numbers: Integers, incidents: Floats, days: Floats) -> list[LevelBreak]:
    """Return the breaks of one series in order of time, no two within `BREAK_WINDOW_MONTHS`.

    Months may be missing; across a pause that leaves a side with under `MIN_SIDE_MONTHS` nothing is
    compared, since drift and break cannot be distinguished there. Of neighboring candidates the one
    with the highest score stays. Raises `ValueError` when months do not ascend.
    """
    if len(month_numbers) == 0:
        return []
    if (np.diff(month_numbers) <= 0).any():
        raise ValueError("find_breaks: expected month numbers that ascend without repetition")
    place = month_numbers - month_numbers[0]
    counts, exposure = np.zeros((2, int(place[-1]) + 1))
    enough = days >= MIN_MONTH_DAYS
    counts[place[enough]] = incidents[enough]
    exposure[place[enough]] = days[enough]
    before, after = rate_sides(counts, exposure)
    scores = score_months(counts, exposure)
    return [
        LevelBreak(int(month_numbers[0]) + i, float(before[i]), float(after[i]), float(scores[i]))
        for i in keep_highest(scores)
    ]


def rate_sides(counts: Floats, exposure: Floats) -> Sides:
    """Return incidents per day before and from each month on (one per month each).

    0 where no day was observed.
    """
    pairs = zip(sum_sides(counts), sum_sides(exposure), strict=True)
    before, after = (incidents / np.maximum(days, 1) for incidents, days in pairs)
    return before, after


def score_months(counts: Floats, exposure: Floats) -> Floats:
    """Return the score of a break at each month (one per month); 0 where a side is too short.

    The change is the log ratio of the pooled rates, with half an incident added on each side
    (Haldane 1956, Ann. Hum. Genet. 20:309) so that a series may end. Its variance is, per side, the
    larger of a Poisson count's, 1 / (n + 1/2), and that of the mean of the monthly log rates.
    """
    observed = (exposure > 0).astype(np.float64)
    logs = observed * np.log((counts + 0.5) / np.maximum(exposure, 1))
    months, incidents = sum_sides(observed), sum_sides(counts)
    noise = measure_noise(logs, months)
    rates = [np.log((n + 0.5) / np.maximum(d, 1))
             for n, d in zip(incidents, sum_sides(exposure), strict=True)]  # fmt: skip
    variance = sum(
        (np.maximum(1 / (n + 0.5), noise / np.maximum(k, 1))
         for n, k in zip(incidents, months, strict=True)),
        start=np.zeros_like(counts),
    )  # fmt: skip
    scores = (np.abs(rates[1] - rates[0]) - np.log(ORDINARY_RATIO)) / np.sqrt(variance)
    comparable = (np.minimum(*months) >= MIN_SIDE_MONTHS) & (observed > 0)
    return np.where(comparable, scores, 0.0)


def measure_noise(logs: Floats, months: Sides) -> Floats:
    """Return, per month, the variance of log rates round the mean of their side, sides pooled."""
    squares = [
        total - first**2 / np.maximum(k, 1)
        for total, first, k in zip(sum_sides(logs**2), sum_sides(logs), months, strict=True)
    ]
    freedom = np.maximum(months[0] + months[1] - 2, 1)
    pooled: Floats = np.maximum(squares[0] + squares[1], 0) / freedom
    return pooled


def sum_sides(values: Floats) -> Sides:
    """Return, per month, the sums over the window before it and over the window from it on."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    month = np.arange(len(values))
    before = total[month] - total[np.maximum(month - BREAK_WINDOW_MONTHS, 0)]
    after = total[np.minimum(month + BREAK_WINDOW_MONTHS, len(values))] - total[month]
    return before, after


def keep_highest(scores: Floats) -> list[int]:
    """Return where scores of at least `MIN_SCORE` are highest within `BREAK_WINDOW_MONTHS`."""
    left = np.where(scores >= MIN_SCORE, scores, 0.0)
    kept = []
    while left.max() > 0:
        best = int(left.argmax())
        kept.append(best)
        left[max(best - BREAK_WINDOW_MONTHS, 0) : best + BREAK_WINDOW_MONTHS + 1] = 0
    return sorted(kept)
