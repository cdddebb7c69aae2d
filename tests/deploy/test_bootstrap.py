"""`deploy/bootstrap.sh` on a made-up machine: its folders below one of ours, its tools only told of."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from warehouse.settings import ROOT

TOOLS = {
    "id": "case $1 in -u) echo 0 ;; esac",
    "chown": 'echo chown "$@" >>"$CALLS"',
    "install": 'echo install "$@" >>"$CALLS"; mkdir -p "${@:8}"',
    "make": ":",
    "runuser": 'test ! -e "${@: -1}/taken"',
    "systemctl": 'echo systemctl "$@" >>"$CALLS"; [ "$*" != "start atlshield-refresh.service" ]',
}


class Machine:
    """A clone with its set-up script, and the folders that this takes for those of the machine."""

    def __init__(self, folder: Path, clone: str = "clone") -> None:
        """Make them, empty."""
        self.data, self.clone = folder / "data", folder / clone
        self.units, self.settings = folder / "units", folder / "etc"
        (folder / "tools").mkdir()
        for name, text in TOOLS.items():
            (folder / "tools" / name).write_text(f"#!/bin/bash\n{text}\n")
            (folder / "tools" / name).chmod(0o755)
        for made in (self.clone, self.units, self.settings):
            made.mkdir()
        for path in ROOT.iterdir():
            if path.name not in ("deploy", "atlshield.toml"):
                (self.clone / path.name).symlink_to(path)
        shutil.copytree(ROOT / "deploy", self.clone / "deploy")
        script = self.clone / "deploy" / "bootstrap.sh"
        text = script.read_text().replace(" | /tmp/*)", ")")
        for ours, theirs in ((self.data, "/var/lib/atlshield"), (self.settings, "/etc/atlshield"),
                             (self.units, "/etc/systemd/system")):  # fmt: skip
            assert theirs in text
            text = text.replace(theirs, str(ours))
        script.write_text(text.replace(" compileall ", " json.tool --help "))
        self.calls = folder / "calls"
        self.environment = {"PATH": f"{folder / 'tools'}:{os.environ['PATH']}", "CALLS": str(self.calls)}

    def set_up(self) -> tuple[int, str, list[str]]:
        """Run the script; return its exit code, its errors and what it told the tools."""
        done = subprocess.run(
            [self.clone / "deploy" / "bootstrap.sh"], capture_output=True, text=True, check=False,
            env=self.environment,
        )  # fmt: skip
        calls = self.calls.read_text().splitlines() if self.calls.exists() else []
        return done.returncode, done.stderr, calls

    @property
    def writable(self) -> str:
        """What the refresh's unit may write to."""
        lines = (self.units / "atlshield-refresh.service").read_text().splitlines()
        return next(line for line in lines if line.startswith("ReadWritePaths="))


def test_what_a_restore_left_to_root_is_given_and_a_failed_refresh_comes_last(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    (machine.data / "builds").mkdir(parents=True)
    code, errors, calls = machine.set_up()
    assert (code, "the first refresh failed" in errors) == (1, True), errors
    assert f"chown --recursive --no-dereference atlshield {machine.data}" in calls
    made = [call.split()[-1] for call in calls if call.startswith("install -d -o atlshield")]
    assert made == [str(machine.data / name) for name in ("raw", "plans")]
    assert calls[-3:] == [f"systemctl start {name}" for name in (
        "atlshield-refresh.timer", "atlshield.service", "atlshield-refresh.service")]  # fmt: skip
    assert machine.writable == f"ReadWritePaths={machine.data}"


def test_night_is_the_citys(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    timer = machine.clone / "deploy" / "atlshield-refresh.timer"
    timer.write_text(timer.read_text().replace("America/New_York", "Europe/Berlin"))
    machine.set_up()
    lines = (machine.units / timer.name).read_text().splitlines()
    assert "OnCalendar=*-*-* 04:15:00 America/New_York" in lines


def test_folders_are_where_the_settings_say(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    other = tmp_path / "ebs"
    (machine.settings / "atlshield.toml").write_text(f'builds = "{other}/../ebs/builds"\n'
        f'raw_folder = "{other}/raw"\nplans = "{machine.data}/plans"\n')  # fmt: skip
    (other / "builds").mkdir(parents=True)
    (other / "builds" / "taken").touch()
    code, errors, _ = machine.set_up()
    assert code == 1
    assert f"error: {other}/builds: atlshield cannot write there" in errors
    (other / "builds" / "taken").rename(other / "builds" / "current.json")
    code, errors, calls = machine.set_up()
    assert code == 0, errors
    assert machine.writable == f"ReadWritePaths={machine.data} {other}/builds {other}/raw"
    assert (other / "raw").is_dir()
    assert "systemctl start atlshield-refresh.service" not in calls
    assert not any(call.startswith("chown") and str(other) in call for call in calls)


@pytest.mark.parametrize("name", ["a b", "a|b", "a&b", "a%b"])
def test_path_that_sed_or_systemd_reads_otherwise_is_refused(tmp_path: Path, name: str) -> None:
    machine = Machine(tmp_path, name)
    code, errors, calls = machine.set_up()
    assert (code, calls) == (1, [])
    assert errors.startswith(f"error: '{machine.clone}': expected a path of letters, digits")
