"""How long each stage of a refresh took, and with what result: one line per stage, for people and logs.

Input: the stages while they run. Output: lines as `etl  3.21 s  412 MiB  250,034 rows of 1 raw file, …`,
also of a stage that failed, and the measures for `refresh_run`; a progress bar on a terminal only.
"""

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

MIB = 1024 if sys.platform == "linux" else 1024 * 1024
"""Units of `ru_maxrss` per MiB: it is in KiB on Linux and in bytes on macOS."""


@dataclass
class Stopwatch:
    """Seconds and peak memory of each stage, and a progress bar on a terminal."""

    bar: "tqdm[Any]"
    measures: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time_stage(self, name: str) -> Iterator[list[str]]:
        """Measure one stage, and say when it is done or has failed; yield a list for its results."""
        self.bar.set_description(name)
        start = time.perf_counter()
        results: list[str] = []
        try:
            yield results
        except BaseException:
            results.append("failed")
            raise
        finally:
            seconds = time.perf_counter() - start
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MIB
            tqdm.write(f"{name:<10} {seconds:7.2f} s  {peak:6.0f} MiB  {', '.join(results)}".rstrip())
        self.measures[f"{name}_seconds"] = seconds
        self.measures[f"{name}_peak_memory_mib"] = peak
        self.bar.update()
