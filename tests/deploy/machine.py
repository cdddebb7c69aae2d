"""A machine that has never seen this project: a bare Debian in memory, which systemd can boot.

Input: a suite and a mirror of Debian, as root. Output: a `Machine` below `MACHINE`. Its mounts and
processes live in namespaces, so that nothing of it outlives this program, however that ends.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from warehouse.settings import ROOT

MACHINE = Path("/media")
"""Where the machine's disk is mounted, for this program alone."""

CLONE = "/opt/atlshield"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
DISK = "size=5g"
PATHS = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PACKAGES = ("python3", "python3-venv", "make", "ca-certificates")
MARK = "ATLSHIELD_NAMESPACES"

BOOT = f"""
set -e
mount --bind {MACHINE} {MACHINE}
mount -t proc proc {MACHINE}/proc
mount -t sysfs -o ro sysfs {MACHINE}/sys
mount -t cgroup2 cgroup2 {MACHINE}/sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs {MACHINE}/run
exec env -i container=chroot {PATHS} chroot {MACHINE} /lib/systemd/systemd
"""

ASK = """
import sys, urllib.error, urllib.request
try:
    with urllib.request.urlopen(f"http://127.0.0.1:5000{sys.argv[1]}", timeout=30) as answer:
        print(answer.status, len(answer.read()), sep="\\n") if sys.argv[1].endswith("png") else print(
            answer.status, answer.read().decode(), sep="\\n")
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode(), sep="\\n")
except OSError as error:
    print(0, error, sep="\\n")
"""


class NotPossibleError(Exception):
    """This host cannot make such a machine."""


def enter_namespaces(module: str, arguments: list[str]) -> None:
    """Replace this process by one whose mounts and children nobody else sees, unless it is that one.

    The kernel ends all of them with it, and it with its parent.
    """
    if MARK in os.environ:
        return
    if os.geteuid() != 0:
        raise NotPossibleError("making a machine needs root")
    if missing := [name for name in ("debootstrap", "unshare", "setpriv") if shutil.which(name) is None]:
        raise NotPossibleError(f"there is no {', '.join(missing)} here")
    unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if subprocess.run([*unshare, "true"], check=False).returncode:
        raise NotPossibleError("namespaces are not allowed here")
    os.environ[MARK] = "1"
    os.execvp(  # noqa: S606
        "setpriv",  # noqa: S607
        ["setpriv", "--pdeathsig", "KILL", *unshare, sys.executable, "-m", module, *arguments],
    )


def hand_on_pip(root: Path) -> list[str]:
    """Let pip in the machine find what it finds here: its settings, and the folders these name.

    Returns the variables of the environment that are about pip, proxies and certificates.
    """
    names = re.compile(r"PIP_\w+|(https?|no|all)_proxy|SSL_CERT_FILE|REQUESTS_CA_BUNDLE", re.IGNORECASE)
    variables = [f"{name}={value}" for name, value in os.environ.items() if names.fullmatch(name)]
    told = list(variables)
    home = Path.home()
    for file in (
        "/etc/pip.conf",
        "/etc/xdg/pip/pip.conf",
        home / ".config/pip/pip.conf",
        home / ".pip/pip.conf",
    ):
        if (path := Path(file)).is_file():
            inside = Path("/root", path.relative_to(home)) if path.is_relative_to(home) else path
            copy_to(path, Path(f"{root}{inside}"))
            told.append(path.read_text())
    for name in sorted(set(re.findall(r"(?<![\w:/.-])(?:file://)?(/\w[^\s,;#]*)", "\n".join(told)))):
        path = Path(name.removesuffix("/simple"))  # an index names its files beside itself
        bring(path, Path(f"{root}{path}"))
    return variables


def copy_to(file: Path, target: Path) -> None:
    """Copy a file into folders that may not be there yet."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, target)


def bring(path: Path, target: Path) -> None:
    """Show a folder of the host to the machine, or copy a file, where the machine has no such thing."""
    if target.exists() or not path.exists():
        return
    if path.is_file():
        copy_to(path, target)
    else:
        target.mkdir(parents=True)
        call("mount", "--bind", str(path), str(target))


def call(*command: str) -> str:
    """Run a command of the host and return its output. Raises `RuntimeError` with all it said."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stdout[-3000:]}")
    return done.stdout


def wait_for(is_true: Callable[[], bool], what: str, seconds: float = 60) -> float:
    """Return the seconds until something holds. Raises `RuntimeError` when it does not."""
    begin = time.monotonic()
    while not is_true():
        if time.monotonic() - begin > seconds:
            raise RuntimeError(f"after {seconds:.0f} s still not: {what}")
        time.sleep(0.1)
    return time.monotonic() - begin


class Machine:
    """A Debian system below `MACHINE` with a clone of HEAD; commands run in it as root."""

    def __init__(self, suite: str, mirror: str) -> None:
        """Make it. Raises `NotPossibleError` where there is no such mirror to reach."""
        self.system: subprocess.Popen[bytes] | None = None
        call("mount", "--make-rprivate", "/")
        call("mount", "-t", "tmpfs", "-o", f"{DISK},mode=755", "tmpfs", str(MACHINE))
        include = f"--include={','.join(PACKAGES)}"
        try:
            call("debootstrap", "--variant=minbase", include, suite, str(MACHINE), *mirror.split())
        except RuntimeError as error:
            raise NotPossibleError(f"debootstrap cannot make {suite}: {error}") from error
        for file in ("/etc/resolv.conf", CERTIFICATES):
            shutil.copyfile(file, f"{MACHINE}{file}")
        self.variables = [*hand_on_pip(MACHINE), f"PIP_CERT={CERTIFICATES}"]
        call("mount", "-t", "proc", "proc", f"{MACHINE}/proc")
        call("git", "clone", "--quiet", "--depth=1", f"file://{ROOT}", f"{MACHINE}{CLONE}")

    def run(self, command: str) -> str:
        """Run a shell command in the clone; return what it says. Raises `RuntimeError` when it fails."""
        shell = ["env", "-i", PATHS, "HOME=/root", "LANG=C.UTF-8", *self.variables]
        return call(*self.enter(), *shell, "sh", "-ec", f"cd {CLONE}; {command}")

    def enter(self) -> list[str]:
        """Return what goes before a command that runs in the machine."""
        if self.system is None:
            return ["chroot", str(MACHINE)]
        spaces = ("--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--root", "--wd")
        return ["nsenter", "--target", str(self.find_first()), *spaces]

    def find_first(self) -> int:
        """Return the process that is systemd, as the host numbers it."""
        assert self.system is not None
        number = self.system.pid
        return int(Path(f"/proc/{number}/task/{number}/children").read_text())

    def boot(self) -> float:
        """Start systemd, without a network; return the seconds until it is up."""
        spaces = ["--mount", "--pid", "--fork", "--kill-child", "--net", "--uts", "--ipc", "--cgroup"]
        self.system = subprocess.Popen(
            ["unshare", *spaces, "sh", "-c", BOOT],  # noqa: S607
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        states = {"running", "degraded"}
        try:
            return wait_for(lambda: self.state() in states, "systemd is up", 120)
        except RuntimeError as error:
            raise NotPossibleError(f"systemd does not boot here: {error}, but {self.state()}") from error

    def state(self) -> str:
        """Return how far systemd is; nothing while it does not answer."""
        try:
            return self.run("systemctl is-system-running || true").strip()
        except (RuntimeError, ValueError):
            return ""

    def lose_power(self) -> None:
        """End every process at once."""
        assert self.system is not None
        self.system.kill()
        self.system.wait()
        self.system = None

    def ask(self, path: str) -> tuple[int, str]:
        """Ask the machine's service; return status and body of its answer, 0 where none came."""
        number = str(self.find_first())
        program = ["nsenter", "--target", number, "--net", sys.executable, "-c", ASK, path]
        status, _, body = call(*program).partition("\n")
        return int(status), body.rstrip("\n")

    def find_build(self) -> str:
        """Return the build that the service answers from; nothing when it does not."""
        status, body = self.ask("/readyz")
        return str(json.loads(body)["build_id"]) if status == 200 else ""
