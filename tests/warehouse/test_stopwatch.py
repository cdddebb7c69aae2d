"""The stopwatch: one line per stage, with its results, also of one that failed."""

import re

import pytest
from tqdm import tqdm

from warehouse.stopwatch import Stopwatch


def test_stage_is_one_line_with_its_results(capsys: pytest.CaptureFixture[str]) -> None:
    with tqdm(total=2, disable=True) as bar:
        watch = Stopwatch(bar)
        with watch.time_stage("etl") as results:
            results += ["3 rows", "2 kept"]
        with watch.time_stage("audit"):
            pass
        with pytest.raises(ValueError, match="no"), watch.time_stage("training") as results:
            results.append("1 place")
            raise ValueError("no")
    told = capsys.readouterr()
    assert told.err == ""
    etl, audit, training = told.out.splitlines()
    measure = r" +\d+\.\d\d s +\d+ MiB"
    assert re.fullmatch(f"etl{measure}  3 rows, 2 kept", etl)
    assert re.fullmatch(f"audit{measure}", audit)
    assert re.fullmatch(f"training{measure}  1 place, failed", training)
    assert list(watch.measures) == [
        f"{stage}_{what}" for stage in ("etl", "audit") for what in ("seconds", "peak_memory_mib")
    ]
    assert watch.measures["etl_peak_memory_mib"] > 10
