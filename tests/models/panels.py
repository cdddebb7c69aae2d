"""Small panels for tests."""

import numpy as np

from models.panel import HOURS, Panel
from warehouse.schema import PATROL_TYPES

FIRST_MONTH = 2019 * 12
"""January 2019."""


def make_panel(places: int = 6, months: int = 30, rate: float = 0.05, seed: int = 1) -> Panel:
    """Return Poisson counts with a level per place; every day has every hour once."""
    random = np.random.default_rng(seed)
    levels = rate * random.lognormal(0, 0.8, places)[:, None, None, None]
    shares = np.array([0.4, 0.1, 0.1, 0.4])
    exposure = np.full((months, HOURS), 30.0)
    counts = random.poisson(levels * exposure[None, :, :, None] * shares)
    return Panel(
        neighborhoods=tuple(f"Place {index}" for index in range(places)),
        npu=tuple("AB"[index % 2] for index in range(places)),
        month_numbers=np.arange(FIRST_MONTH, FIRST_MONTH + months),
        days=np.full(months, 30),
        exposure=exposure,
        patrol_counts=counts.astype(np.float32).reshape(places, months, HOURS, len(PATROL_TYPES)),
    )
