"""To which hour an incident with a time window belongs: a test of three answers.

Input: `incident` of a build. Output: the log score of each answer on incidents whose window is under
an hour, so that their hour is known, in the newest third of the data. The answer that is published is
"the hour in which the window begins" (docs/adr/0008-hour-of-an-incident.md).
"""

import duckdb
import numpy as np
import pandas as pd

from models.arrays import Floats
from models.panel import HOURS

WINDOWS_SELECT = """
SELECT nibrs_code, hour(occurred_at) AS hour, occurred_at::DATE AS day,
       minute(occurred_at) / 60 AS begun, date_diff('minute', occurred_at, occurred_until) / 60 AS hours
FROM incident WHERE occurred_until >= occurred_at ORDER BY occurred_at, incident_id
"""

TRAINING_SHARE = 2 / 3
MAX_WINDOW_HOURS = 24.0
"""A longer window says nothing of the hour, and is counted where it begins."""
MIN_TESTED = 50
"""Incidents that an offense needs to be scored."""
PSEUDOCOUNT = 0.5
"""Added to every hour: no hour is impossible because it was never seen (Jeffreys' prior)."""


def score_hours(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Return, per offense and for all, the mean of -log(share of the hour); lower is better.

    Answers: `begin` counts an incident where its window begins, `spread` in equal parts over the
    window (Ratcliffe 2000, "Aoristic analysis"), `short` leaves windows of an hour or more out.
    """
    windows = connection.execute(WINDOWS_SELECT).df()
    split = windows["day"].iloc[int(len(windows) * TRAINING_SHARE)]
    old, new = windows[windows["day"] < split], windows[windows["day"] >= split]
    tested = new[new["hours"] < 1]
    rows = []
    for code, group in tested.groupby("nibrs_code"):
        training = old[old["nibrs_code"] == code]
        if len(group) >= MIN_TESTED and len(training):
            hours = group["hour"].to_numpy()
            shapes = {
                "begin": count_beginnings(training),
                "spread": spread_windows(training),
                "short": count_beginnings(training[training["hours"] < 1]),
            }
            losses = {name: score_shape(shape, hours) for name, shape in shapes.items()}
            rows.append({"offense": code, "tested": len(group), **losses})
    table = pd.DataFrame(rows)
    if not table.empty:
        names = ["begin", "spread", "short"]
        means = np.average(table[names], axis=0, weights=table["tested"])
        total = {
            "offense": "all",
            "tested": table["tested"].sum(),
            **dict(zip(names, means, strict=True)),
        }
        table = pd.concat([table, pd.DataFrame([total])], ignore_index=True)
    return table


def count_beginnings(windows: pd.DataFrame) -> Floats:
    """Return incidents (hour) by the hour in which their window begins."""
    return np.bincount(windows["hour"], minlength=HOURS).astype(np.float64)


def spread_windows(windows: pd.DataFrame) -> Floats:
    """Return incidents (hour), each in equal parts over its window."""
    begin = (windows["hour"] + windows["begun"]).to_numpy()
    length = windows["hours"].to_numpy()
    length = np.where((length > 0) & (length <= MAX_WINDOW_HOURS), length, 1e-6)
    counts = np.zeros(HOURS)
    for hour in range(2 * HOURS):  # a window of a day that begins late ends tomorrow
        inside = np.minimum(begin + length, hour + 1) - np.maximum(begin, hour)
        counts[hour % HOURS] += (np.maximum(inside, 0) / length).sum()
    return counts


def score_shape(shape: Floats, hours: np.ndarray[tuple[int, ...], np.dtype[np.int32]]) -> float:
    """Return the mean log loss of a shape over the hours on incidents of known hours."""
    shares = (shape + PSEUDOCOUNT) / (shape + PSEUDOCOUNT).sum()
    return float(-np.log(shares[hours]).mean())
