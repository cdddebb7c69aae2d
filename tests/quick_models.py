"""Models that are fitted in a fraction of the time, for builds whose numbers need not be good.

Input: what a test does meanwhile. Output: the same tables, of few trees of few rows and of fewer past
origins. Processes that it starts know nothing of it.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from models import past_origin, patrol_forest, volume_forest

FEWER = (
    (past_origin, "MAX_PAST_ORIGINS", 6),
    (volume_forest, "TREES", 8),
    (volume_forest, "TRIAL_TREES", 3),
    (volume_forest, "DRAWN_ROWS", 4000),
    (patrol_forest, "TREES", 8),
    (patrol_forest, "TRIAL_TREES", 3),
    (patrol_forest, "DRAWN_ROWS", 2000),
)
"""Past origins are still more than a year's: without older ones there would be no forest at all."""


@contextmanager
def quick_models() -> Iterator[None]:
    """Let forests be small and past origins few."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in FEWER:
            patch.setattr(module, name, value)
        yield
