"""What systemd says of this machine's units, where systemd runs.

Input: the name of a unit. Output: some of its properties; times are in UTC.
"""

import os
import subprocess
from pathlib import Path

from warehouse.errors import ShieldError

RUNNING = Path("/run/systemd/system")
"""The folder that is there where systemd has started the machine."""

SERVICE, TIMER = "atlshield.service", "atlshield-refresh.timer"
SECONDS = 10


def show_unit(unit: str) -> dict[str, str]:
    """Return a unit's properties by their names; none where systemd does not run or has no such unit.

    Raises `ShieldError` where systemd does not answer.
    """
    if not RUNNING.is_dir():
        return {}
    wanted = "LoadState,UnitFileState,ActiveState,ActiveEnterTimestamp,NextElapseUSecRealtime"
    command = ["systemctl", "show", unit, f"--property={wanted}"]
    try:
        done = subprocess.run(  # noqa: S603  # names of our own units
            command, env={**os.environ, "TZ": "UTC"}, capture_output=True, text=True, check=True,
            timeout=SECONDS,
        )  # fmt: skip
    except subprocess.SubprocessError as error:
        raise ShieldError(f"systemd does not say how {unit} is: {error}") from error
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    return found if found.get("LoadState") == "loaded" else {}
