"""What systemd says of this machine's units, where systemd runs.

Input: the name of a unit. Output: some of its properties; times are in UTC.
"""

import datetime as dt
import os
import subprocess
from pathlib import Path

from warehouse.errors import ShieldError

RUNNING = Path("/run/systemd/system")
"""The folder that is there where systemd has started the machine."""

SERVICE, TIMER = "atlshield.service", "atlshield-refresh.timer"
REFRESH_SERVICE = "atlshield-refresh.service"
SECONDS = 10
WANTED = (
    "LoadState,UnitFileState,ActiveState,ActiveEnterTimestamp,StateChangeTimestamp,Result,"
    "NextElapseUSecRealtime"
)


def show_unit(unit: str) -> dict[str, str]:
    """Return a unit's properties by their names; none where systemd does not run or has no such unit.

    Raises `ShieldError` where systemd does not answer.
    """
    if not RUNNING.is_dir():
        return {}
    command = ["systemctl", "show", unit, f"--property={WANTED}"]
    try:
        done = subprocess.run(  # noqa: S603  # names of our own units
            command, env={**os.environ, "TZ": "UTC"}, capture_output=True, text=True, check=True,
            timeout=SECONDS,
        )  # fmt: skip
    except subprocess.SubprocessError as error:
        raise ShieldError(f"systemd does not say how {unit} is: {error}") from error
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    return found if found.get("LoadState") == "loaded" else {}


def parse_time(text: str) -> dt.datetime:
    """Return a time as `show_unit` tells it. Raises `ValueError` for another text."""
    return dt.datetime.strptime(text, "%a %Y-%m-%d %H:%M:%S UTC").replace(tzinfo=dt.UTC)
