"""A fresh machine, from nothing to a service that heals: `python -m tests.deploy.fresh_machine`.

Input: a suite of Debian and a mirror, as root. Output: a line per thing that was tried, with its
figures. The exit code is 1 where one is not as promised and 77 where this host cannot make a machine.
"""

import argparse
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.deploy.machine import (
    CLONE,
    MACHINE,
    Machine,
    NotPossibleError,
    call,
    enter_namespaces,
    wait_for,
)
from tests.raw import write_daily

LOOKUP = "/predict_hourly_crime?neighborhood=Downtown&month=1"
CHART = "/charts/hourly/Downtown/1.png"
DATA = "/var/lib/atlshield"
SETTINGS = "/etc/atlshield/atlshield.toml"
TOLD = f"{DATA}/told"
SECONDS_TO_HEAL = 120
NOT_POSSIBLE = 77
UNAVAILABLE = 503


def main(arguments: list[str]) -> int:
    """Make a machine and try everything in it; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.deploy.fresh_machine", description=__doc__)
    parser.add_argument("--suite", default="trixie")
    parser.add_argument("--mirror", default="", help="debootstrap knows one")
    options = parser.parse_args(arguments)
    try:
        enter_namespaces("tests.deploy.fresh_machine", arguments)
        with tell_time("a bare machine is made"):
            machine = Machine(options.suite, options.mirror)
        try_readme(machine)
        try_bootstrap(machine)
        try_no_network(machine)
        try_full_disk(machine)
        try_power_cut(machine)
        try_uninstall(machine)
    except NotPossibleError as error:
        say(str(error))
        return NOT_POSSIBLE
    return 0


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def expect(is_true: bool, what: str) -> None:
    """Raise `RuntimeError` where something is not as it should be."""
    if not is_true:
        raise RuntimeError(f"expected {what}")


@contextmanager
def tell_time(what: str) -> Iterator[None]:
    """Say what was done, and how many seconds it took."""
    begin = time.monotonic()
    yield
    say(f"{time.monotonic() - begin:5.0f} s  {what}")


def measure_size(path: str) -> int:
    """Return the megabytes of a folder of the machine."""
    return int(call("du", "-s", "--block-size=1MB", f"{MACHINE}{path}").split()[0])


def try_readme(machine: Machine) -> None:
    """Run the two commands of the README, on what it says is enough."""
    with tell_time("make refresh, with nothing but python3, python3-venv and make"):
        machine.run("make refresh")
    sizes = {name: measure_size(f"{CLONE}/{name}") for name in ("", ".venv", "data")}
    say(f"{'':9}the clone has {sizes['']} MB: .venv {sizes['.venv']}, data {sizes['data']}")
    with tell_time("systemd is added and boots, without a network"):
        machine.run(
            "apt-get update -qq; apt-get install -y -qq --no-install-recommends systemd-sysv dbus"
        )
        machine.boot()
    machine.run(f"systemd-run --quiet --unit=readme --working-directory={CLONE} make serve")
    seconds = wait_for(lambda: machine.ask(LOOKUP)[0] == 200, "a lookup is answered")
    say(f"{seconds:5.1f} s  make serve, until a lookup is answered")
    machine.run("systemctl stop readme")


def list_tree(*folders: str) -> set[tuple[object, ...]]:
    """Return path, mode, owner, time and content of all below folders of the machine."""
    tops = [Path(f"{MACHINE}{folder}") for folder in folders]
    return {
        (str(path), status.st_mode, status.st_uid, status.st_gid, *describe(path))
        for top in tops
        for path in [top, *top.rglob("*")]
        if "__pycache__" not in path.parts
        for status in [path.lstat()]
    }


def describe(path: Path) -> tuple[str, int]:
    """Return what a file holds and when it was written, or where a link leads."""
    if path.is_symlink():
        return str(path.readlink()), 0
    if not path.is_file():
        return "", 0
    return hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns


def find_main(machine: Machine) -> str:
    """Return the number of the service's first process."""
    return machine.run("systemctl show --property=MainPID --value atlshield").strip()


def try_bootstrap(machine: Machine) -> None:
    """Set the machine up: without its rows, with few of them, and once more, when nothing changes."""
    rows = "/opt/few.csv"
    quick = Path(f"{MACHINE}/etc/systemd/system/atlshield-refresh.service.d/quick.conf")
    quick.parent.mkdir()
    quick.write_text(f"[Service]\nEnvironment=ATLSHIELD_SOURCE=files ATLSHIELD_RAW={rows}\n")
    told = machine.run("! ./deploy/bootstrap.sh")
    expect("the first refresh failed (journalctl" in told, f"what to look at, found {told}")
    wait_for(lambda: machine.ask(LOOKUP)[0] == UNAVAILABLE, "the service waits for a build")
    reason = machine.ask("/readyz")[1]
    expect("no published build" in reason, f"the reason, found {reason}")
    write_daily(Path(f"{MACHINE}{rows}"))
    with tell_time("deploy/bootstrap.sh, with a first build of 400 rows"):
        machine.run("./deploy/bootstrap.sh")
    build, main = wait_for_build(machine)[0], find_main(machine)
    users = machine.run(f"stat -c %U {DATA}/builds/current.json /proc/{main}").split()
    expect(users == ["atlshield"] * 2, f"refresh and service to be those of atlshield, found {users}")
    machine.run("systemctl is-active atlshield-refresh.timer")
    before = list_tree("/etc", DATA, "/opt")
    with tell_time("deploy/bootstrap.sh again changes nothing, nor ends the service"):
        machine.run("./deploy/bootstrap.sh")
    changed = sorted(str(row[0]) for row in before ^ list_tree("/etc", DATA, "/opt"))
    expect(not changed, f"nothing to change, found {changed}")
    expect((machine.find_build(), find_main(machine)) == (build, main), "the service to go on")
    shutil.rmtree(quick.parent)
    machine.run("systemctl daemon-reload")


def wait_for_build(machine: Machine) -> tuple[str, float]:
    """Wait until the service has a build; return that and the seconds."""
    seconds = wait_for(lambda: machine.find_build() != "", "the service answers", SECONDS_TO_HEAL)
    return machine.find_build(), seconds


def write_settings(machine: Machine, **texts: str) -> None:
    """Set what the settings file has commented out, or had set before."""
    for key, text in texts.items():
        machine.run(f"sed -Ei 's#^(\\# )?{key} = .*#{key} = \"{text}\"#' {SETTINGS}")


def read_told(machine: Machine) -> str:
    """Return what the operator's command was told."""
    return machine.run(f"cat {TOLD} || true")


def try_no_network(machine: Machine) -> None:
    """Refresh from a portal that cannot be reached, and kill the service meanwhile."""
    build = machine.find_build()
    write_settings(machine, source="portal", on_failure=f"(echo $FAILED_UNIT; cat) | tee -a {TOLD}")
    machine.run("systemctl start --no-block atlshield-refresh.service")
    for which in ("main", "worker"):
        main = find_main(machine)
        numbers = machine.run(f"cat /proc/{main}/task/{main}/children").split()
        machine.run(f"kill -9 {main if which == 'main' else ' '.join(numbers)}")
        wait_for(lambda main=main: find_main(machine) not in ("0", main), "another process")  # type: ignore[misc]
        again, seconds = wait_for_build(machine)
        expect(again == build, f"the same build, found {again}")
        say(f"{seconds:5.1f} s  until it answers after its {which} process was killed; nothing lost")
    with tell_time(
        "more until a refresh without a network gives up; the operator is told, the build stays"
    ):
        wait_for(lambda: "tries; the last" in read_told(machine), "the operator is told", 300)
    told = read_told(machine)
    expect(told.startswith("atlshield-refresh.service\n"), f"the unit to be named, found {told}")
    expect("no usable answer in" in told, f"the reason, found {told}")
    expect(machine.find_build() == build, "the same build")
    state = machine.run("systemctl show --property=Result --value atlshield-refresh.service").strip()
    expect(state == "exit-code", f"the refresh to have failed, found {state}")
    say(f"{'':9}told: {next(line for line in told.splitlines() if 'tries; the last' in line)}")


def try_full_disk(machine: Machine) -> None:
    """Fill the disk: the service starts and answers, a refresh is refused and told."""
    build = machine.find_build()
    write_settings(machine, source="simulated")
    machine.run("systemctl stop atlshield; rm -rf /var/cache/atlshield/*")
    disk = os.statvfs(MACHINE)
    used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    call("mount", "-o", f"remount,size={used}", str(MACHINE))
    expect(shutil.disk_usage(MACHINE).free == 0, "a full disk")
    machine.run("systemctl start atlshield")
    again, seconds = wait_for_build(machine)
    expect(again == build, f"the same build, found {again}")
    for path in (LOOKUP, CHART, "/v1/tables/mart_patrol_plan.csv"):
        status, body = machine.ask(path)
        expect(status == 200, f"an answer to {path}, found {status}: {body}")
    say(f"{seconds:5.1f} s  until it answers on a full disk: lookups, charts, tables; nothing lost")
    machine.run("! systemctl start atlshield-refresh.service 2>/dev/null")
    told = "journalctl --unit 'atlshield-failure@*' --output cat"
    reason = " has 0 MB free, a refresh needs "
    wait_for(lambda: reason in machine.run(told), "the operator is told of the full disk", 300)
    call("mount", "-o", "remount,size=5g", str(MACHINE))
    say(f"{'':9}a refresh says that the disk is full, the operator is told")


def try_power_cut(machine: Machine) -> None:
    """Cut the power in the middle of a refresh: after the boot all is as it was before."""
    build = machine.find_build()
    machine.run("systemctl start --no-block atlshield-refresh.service")
    builds = Path(f"{MACHINE}{DATA}/builds")
    wait_for(
        lambda: any(path.stat().st_size > 1_000_000 for path in builds.glob("*.partial")),
        "a refresh is under way",
        600,
    )
    machine.lose_power()
    machine.boot()
    again, seconds = wait_for_build(machine)
    expect(again == build, f"the build before the power cut, found {again}")
    machine.run("make verify; systemctl is-active atlshield-refresh.timer")
    say(f"{seconds:5.1f} s  until it answers again after power was cut during a refresh; nothing lost")


def try_uninstall(machine: Machine) -> None:
    """Take the units away: data and settings stay."""
    before = list_tree("/etc/atlshield", DATA)
    machine.run("make uninstall")
    expect(before == list_tree("/etc/atlshield", DATA), "data and settings to stay")
    expect(machine.ask("/livez")[0] == 0, "no service")
    expect("atlshield" not in machine.run("ls /etc/systemd/system"), "no unit to be left")
    say(f"{'':9}make uninstall leaves data and settings")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
