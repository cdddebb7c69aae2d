"""The chart of the track record: nothing that is written lies on anything else."""

import pandas as pd
import pytest

from models.metrics import CITY_MONTH_GRAIN, MONTH_GRAIN
from models.track_chart import MAX_FORECASTS, make_figure
from tests.charts import find_overlaps


def make_record(number: int) -> pd.DataFrame:
    """Return a year's record of forecasts with consecutive cutoffs."""
    cutoffs = pd.date_range("2020-01-31", periods=number, freq="ME")
    return pd.DataFrame(
        [
            {"forecast_build_id": f"{cutoff:%Y%m}", "cutoff": cutoff, "grain": grain,
             "target_month": cutoff + pd.DateOffset(days=1, months=age - 1), "age_months": age,
             "observed_crimes": 900.0, "expected_month_crimes": 800.0 + 30 * age,
             "month_lower_80": 700.0 + 20 * age, "month_upper_80": 900.0 + 40 * age,
             "deviance_to_reference": 0.8 + age / 40, "poisson_deviance": 9.0,
             "reference_deviance": 10.0}
            for cutoff in cutoffs for grain in (MONTH_GRAIN, CITY_MONTH_GRAIN) for age in range(1, 13)
        ]
    )  # fmt: skip


@pytest.mark.parametrize("number", [1, 9])
def test_nothing_of_the_chart_lies_on_its_data_and_many_cutoffs_are_thinned(number: int) -> None:
    record = make_record(number)
    figure = make_figure(record, "Atlanta Police Department open data")
    assert find_overlaps(figure) == []
    city = figure.axes[0]
    names = [line.get_label() for line in city.lines]
    assert names[0] == "cutoff 2020-01-31"
    assert len(names) == min(number, MAX_FORECASTS) + 1
    assert (f"{MAX_FORECASTS} of 9 cutoffs" in city.get_title(loc="left")) is (number == 9)


@pytest.mark.parametrize("months", [1, 2, 3])
def test_names_of_few_months_do_not_overlap(months: int) -> None:
    record = make_record(1)
    figure = make_figure(record[record["age_months"] <= months], "Atlanta Police Department open data")
    assert find_overlaps(figure) == []
    names = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert names == ["2020-02", "2020-03", "2020-04"][:months]
