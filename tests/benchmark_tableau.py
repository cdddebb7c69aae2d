"""The export for Tableau beside the export of files, on one core.

Input: a folder of builds. Output: printed figures: seconds, memory of both engines' processes together,
sizes.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.load import use_core
from warehouse.settings import ROOT

ROUNDS = 3
PAUSE = 0.02
"""Seconds between two looks at the memory."""


def bench_tableau(builds: Path) -> None:
    """Print what both exports of a build take."""
    with tempfile.TemporaryDirectory() as folder:
        runs = {
            name: [run_export(builds, Path(folder, name), name) for _ in range(ROUNDS)]
            for name in ("files", "tableau")
        }
        sizes = {path.name: path.stat().st_size / 1e6 for path in Path(folder, "tableau").iterdir()}
    files, tableau = (statistics.median(seconds for seconds, _ in found) for found in runs.values())
    print(f"export for Tableau, one core: {tableau:.1f} s; of every table as files {files:.1f} s")
    peak = max(peak for _, peak in runs["tableau"])
    print(f"  peak memory, Tableau's engine included, {peak:.0f} MiB (aim: at most 400)")
    print("  " + ", ".join(f"{name} {size:.1f} MB" for name, size in sorted(sizes.items())))


def run_export(builds: Path, out: Path, format_name: str) -> tuple[float, float]:
    """Run one export; return its seconds, and the most MiB that it and its children had at once."""
    command = ["-m", "warehouse", "--builds", str(builds), "export", "--format", format_name]
    start, peak = time.perf_counter(), 0.0
    process = subprocess.Popen(
        [sys.executable, *command, "--out", str(out)],
        cwd=ROOT, stdout=subprocess.DEVNULL, preexec_fn=use_core(0),
    )  # fmt: skip
    while process.poll() is None:
        peak = max(peak, measure_tree(process.pid))
        time.sleep(PAUSE)
    if process.returncode:
        raise SystemExit(f"the export failed with status {process.returncode}")
    return time.perf_counter() - start, peak


def measure_tree(process: int) -> float:
    """Return the resident MiB of a process and its children; what has ended counts as 0."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")]
    return sum(int(size) for size in sizes) / 1024 + sum(measure_tree(int(child)) for child in children)
