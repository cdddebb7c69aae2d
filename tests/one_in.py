"""Parameter sets of which the default suite tries a few, and `make test-all` all.

Input: the cases of a test, like each other in what they show. Output: the same, all but one in so many
marked slow.
"""

from collections.abc import Iterable
from typing import Any

import pytest


def one_in(number: int, cases: Iterable[Any]) -> list[Any]:
    """Return the cases as parameter sets: the first and every `number`-th after it are not slow.

    A tuple is one case of several parameters, anything else a case of one.
    """
    return [
        pytest.param(
            *(case if isinstance(case, tuple) else (case,)),
            marks=[pytest.mark.slow] if place % number else [],
        )
        for place, case in enumerate(cases)
    ]
