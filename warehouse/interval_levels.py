"""The levels of the prediction intervals: columns, metrics, charts and texts take them from here.

Input: nothing. Output: `INTERVAL_LEVELS`.
"""

INTERVAL_LEVELS = (80, 95)
"""Percent, in ascending order, for the count of a month. A day has the first of them only."""
