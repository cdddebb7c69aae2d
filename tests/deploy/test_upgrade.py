"""`make upgrade`: to another version with its build and its service, or back to where all three were."""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.clone import Clone, ask, call, make_clone, responds, start, write_tools
from tests.load import find_port
from warehouse.settings import ROOT, VERSION

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(shutil.which("flock") is None, reason="there is no flock here"),
]


@pytest.fixture
def clone(tmp_path: Path, daily: Path) -> Iterator[Clone]:
    """A clone with settings and a published build in it; a service that a test starts is stopped."""
    made = make_clone(tmp_path, daily)
    yield made
    made.run("./run.sh", "stop")


NEXT = {
    "warehouse/settings.py": (f'VERSION = "{VERSION}"', 'VERSION = "9.9.9"'),
    "requirements.lock": ("cachetools", "# others\ncachetools"),
}
"""A version with a number and packages of its own."""


def test_upgrade_brings_code_packages_build_and_service(clone: Clone) -> None:
    port = start(clone)
    old_version, old_build, old_packages = clone.state
    new_version = clone.commit(NEXT)
    code, out, errors = clone.upgrade()
    assert code == 0, out + errors
    version, build, packages = clone.state
    assert version == new_version
    assert build > old_build
    assert packages != old_packages
    assert f"back: make upgrade VERSION={old_version[:12]}" in out
    assert ask(port, "/readyz")["build_id"] == build
    [lineage] = ask(port, "/v1/tables/refresh_run.json")["rows"]
    assert (lineage["atlshield_version"], lineage["city"]) == ("9.9.9", "own city")
    assert (clone.folder / "data" / "cities" / "own.toml").exists()
    code, out, errors = clone.upgrade()
    assert (code, errors) == (0, "")
    assert out.startswith("nothing to do: this is version ")


@pytest.mark.slow
def test_way_back_is_an_upgrade(clone: Clone) -> None:
    version, build, packages = clone.state
    clone.commit(NEXT, added='"""New."""\n')
    code, out, errors = clone.upgrade()
    assert code == 0, out + errors
    code, out, errors = clone.upgrade("VERSION=ORIG_HEAD")
    assert code == 0, out + errors
    assert clone.state[::2] == (version, packages)
    assert clone.build > build
    assert not (clone.folder / "serve" / "added.py").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("    builds = load", "    raise ShieldError('no audit')\n    builds = load"), "no audit"),
        (('    if "--force" in sys.argv:\n', "    if True:\n"), "forced"),
    ],
    ids=["before the pointer moved", "after it"],
)
def test_failed_refresh_leaves_all_as_it_was(clone: Clone, change: tuple[str, str], reason: str) -> None:
    before = clone.state
    clone.commit({**NEXT, "refresh.py": change})
    code, out, errors = clone.upgrade()
    assert code == 2, out
    assert f"error: {reason}" in errors
    assert "error: the refresh of version " in errors
    assert clone.state == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("serve/health.py", ('"/readyz"', '"/ready"'), "was not ready within 3 s: {"),
        ("serve/__main__.py", ("def main", "1 / 0\n\n\ndef main"), "ZeroDivisionError"),
        ("Makefile", (".venv/runtime: req", "$(error broken)\n.venv/runtime: req"), "broken"),
    ],
    ids=["not ready", "ends at once", "does not start"],
)
def test_service_that_never_gets_ready_brings_back_code_and_build(
    clone: Clone, name: str, change: tuple[str, str], reason: str
) -> None:
    port = start(clone)
    before = clone.state
    packages = {} if name == "Makefile" else NEXT  # with others, make would be needed before the switch
    clone.commit({**packages, name: change})
    code, out, errors = clone.upgrade(UPGRADE_READY_SECONDS="3")
    assert code == 2, out
    assert reason in errors
    assert clone.state == before
    assert ask(port, "/readyz")["build_id"] == before[1]


def test_what_would_lose_something_is_refused(clone: Clone) -> None:
    before = clone.state

    def refused(reason: str, *words: str) -> None:
        code, out, errors = clone.upgrade(*words)
        assert (code, out) == (2, "")
        assert reason in errors
        assert clone.version == before[0]
        assert clone.build == before[1]

    refused("error: no version v9: ", "VERSION=v9")
    refused("error: expected a tag, a branch or a commit; found --exec", "VERSION=--exec")
    clone.commit(NEXT, added='"""New."""\n')
    (clone.folder / "serve" / "added.py").touch()
    refused("error: files that nobody committed are in the way")
    (clone.folder / "serve" / "added.py").unlink()
    (clone.folder / "run.sh").write_text("#!/bin/sh\nexit 1\n")
    refused(
        "error: files of this clone were changed; commit them upstream, or git restore them:\n M run.sh"
    )
    call(clone.folder, "git", "restore", "run.sh")
    settings = (clone.folder / "atlshield.toml").read_text()
    (clone.folder / "atlshield.toml").write_text("")
    refused(
        "error: the published build is of source files, cleaning default; the settings say simulated"
    )
    (clone.folder / "atlshield.toml").write_text("port = 0\n")
    refused("error: the settings cannot be read")
    (clone.folder / "atlshield.toml").write_text(settings)
    with (clone.folder / "data" / "builds" / ".refresh.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused("error: a refresh is at work in ")
    call(clone.folder, "git", "-c", "user.name=a", "-c", "user.email=a@b.example", "commit", "-q",
         "--allow-empty", "-m", "own")  # fmt: skip
    before = (clone.version, *before[1:])
    refused("error: this branch has commits that its upstream lacks")
    call(clone.folder, "git", "checkout", "-q", "--detach")
    refused("error: this branch has no upstream")


KILL = 'kill -9 -- "-$(ps -o pgid= -p $$ | tr -d " ")"'


def upgrade_killed(clone: Clone, **variables: str) -> int:
    """Run an upgrade in a group of processes of its own; return its exit code."""
    with subprocess.Popen(
        [clone.folder / "deploy" / "upgrade.sh"], env={**clone.environment, **variables},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    ) as process:  # fmt: skip
        return process.wait()


@pytest.mark.slow
def test_upgrade_killed_in_the_switch_goes_back_and_then_on(clone: Clone, tmp_path: Path) -> None:
    before = clone.state
    new = clone.commit(NEXT, added='"""New."""\n')
    half = (
        f"touch .git/index.lock serve/added.py; echo broken | tee serve/app.py deploy/upgrade.sh; {KILL}"
    )
    git = shutil.which("git")
    write_tools(
        clone, tmp_path / "tools", git=f'[ "$1$HALF" != reset1 ] || {{ {half}; }}\nexec {git} "$@"'
    )
    assert upgrade_killed(clone, HALF="1") == -9
    assert clone.build != before[1]
    code, out, errors = clone.upgrade()
    assert code == 0, out + errors
    assert errors.startswith(f"an upgrade was broken off\ngoing back to version {before[0][:7]}")
    assert f"rolled back to build {before[1]}" in out
    assert clone.state[0] == new


@pytest.mark.slow
def test_upgrade_killed_in_the_switch_is_missed_and_keeps_what_came_since(
    clone: Clone, tmp_path: Path
) -> None:
    port = start(clone)
    version, _, packages = clone.state
    clone.commit(NEXT)
    touch = f'{shutil.which("touch")} "$@"; [ "$1$HALF" != .upgrade/switched1 ] || {KILL}'
    write_tools(clone, tmp_path / "tools", touch=touch)
    assert upgrade_killed(clone, HALF="1") == -9
    code, _, errors = clone.run(".venv/bin/python", "-m", "warehouse", "status", ATLSHIELD_PORT=port)
    assert code == 1
    assert f"the service does not answer at 127.0.0.1 port {port}" in errors
    assert "an upgrade was broken off: make upgrade takes it back" in errors
    call(clone.folder, ".venv/bin/python", "-m", "refresh")
    now = clone.build
    call(clone.upstream, "git", "reset", "--quiet", "--hard", version)
    code, out, errors = clone.upgrade()
    assert code == 0, out + errors
    assert f"build {now} stays" in errors
    assert "not ready" not in errors
    assert clone.state == (version, now, packages)
    assert ask(port, "/readyz")["build_id"] == now


KILL_ALL = "import os; os.killpg(0, 9)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "does_refresh", "reason"),
    [
        (("    builds = load", f"    {KILL_ALL}\n    builds = load"), True,
         "another refresh has published it since"),
        (("    if \"--force\"", f"    {KILL_ALL}\n    if \"--force\""), True,
         "another refresh has published it since"),
        (("    if \"--force\"", f"    {KILL_ALL}\n    if \"--force\""), False,
         "the one before, {}, is no longer kept"),
    ],
    ids=["killed before publishing, then a refresh", "after it, then a refresh", "pruned since"],
)  # fmt: skip
def test_going_back_leaves_what_it_cannot_take_back(
    clone: Clone, change: tuple[str, str], does_refresh: bool, reason: str
) -> None:
    version, build, packages = clone.state
    clone.commit({**NEXT, "refresh.py": change})
    assert upgrade_killed(clone) == -9
    assert (clone.folder / ".upgrade" / "undo").exists()
    if does_refresh:
        call(clone.folder, ".venv/bin/python", "-m", "refresh")
    else:
        (clone.folder / "data" / "builds" / f"warehouse-{build}.duckdb").unlink()
    now = clone.build
    assert now > build
    call(clone.upstream, "git", "reset", "--quiet", "--hard", version)
    code, out, errors = clone.upgrade()
    assert code == 0, out + errors
    assert f"build {now} stays: {reason.format(build)}\n" in errors
    assert clone.state == (version, now, packages)


@pytest.mark.slow
def test_upgrade_killed_before_any_call_goes_back_or_is_done(clone: Clone, tmp_path: Path) -> None:
    before = clone.state
    new = clone.commit(NEXT, added='"""New."""\n')
    calls = tmp_path / "calls"
    names = ("git", "sync", "mv", "rm", "touch", "cp", "mkdir", "make", "nice", "flock", "tar")
    note = f'echo "${{0##*/}} $*" >>{calls}; [ "$(wc -l <{calls})" -lt "${{KILL_AT:-999}}" ] || {KILL}'
    tools = {name: f'{note}\nexec {shutil.which(name)} "$@"' for name in names}
    write_tools(clone, tmp_path / "tools", **tools)
    for number in range(1, 100):
        calls.write_text("")
        code = upgrade_killed(clone, KILL_AT=str(number))
        told = f"killed before call {number}: {calls.read_text()}"
        assert code == -9, told
        if clone.version == new and not (clone.folder / ".upgrade" / "undo").exists():
            break  # what was left to do is to say so and to clean up
        call(clone.upstream, "git", "reset", "--quiet", "--hard", before[0])
        code, out, errors = clone.upgrade()
        assert code == 0, f"{told}{out}{errors}"
        assert clone.state == before, told
        call(clone.upstream, "git", "reset", "--quiet", "--hard", new)
    assert number > 25
    code, out, errors = clone.upgrade()
    assert (code, errors) == (0, "")
    assert clone.state[0] == new
    assert clone.build > before[1]


@pytest.mark.slow
def test_upgrade_killed_while_it_waits_goes_back_and_then_on(clone: Clone) -> None:
    port = start(clone)
    before = clone.state
    broken = clone.commit({**NEXT, "serve/health.py": ('"/readyz"', '"/ready"')})
    with subprocess.Popen(
        [clone.folder / "deploy" / "upgrade.sh"], env=clone.environment, start_new_session=True
    ) as process:
        while clone.version != broken or not responds(port):
            time.sleep(0.5)
        process.kill()
    assert clone.build != before[1]
    mended = clone.commit({"serve/health.py": ('"/ready"', '"/readyz"')})
    code, out, errors = clone.upgrade()
    assert code == 0, out + errors
    assert clone.state[0] == mended
    assert ask(port, "/readyz")["build_id"] == clone.build


@pytest.mark.slow
def test_interrupt_goes_back(clone: Clone) -> None:
    before = clone.state
    clone.commit(
        {
            **NEXT,
            "refresh.py": ("    builds = load", "    import time; time.sleep(60)\n    builds = load"),
        }
    )
    with subprocess.Popen(
        ["make", "upgrade"],  # noqa: S607
        cwd=clone.folder, env=clone.environment, start_new_session=True,
    ) as process:  # fmt: skip
        while not (clone.folder / ".upgrade" / "undo").exists():
            time.sleep(0.2)
        time.sleep(2)
        os.killpg(process.pid, 2)
    assert process.returncode != 0
    assert clone.state == before


SYSTEMCTL = """
case "$1 ${2:-}" in
  "show --property=WorkingDirectory") echo "$CLONE" ;;
  "show --property=MainPID") cat "$CLONE/pid" ;;
  "show --property=User") echo somebody ;;
  "show --property=MemoryMax") echo "$4" ;;
  "stop atlshield.service") kill "$(cat "$CLONE/pid")"; tail --pid "$(cat "$CLONE/pid")" -f /dev/null ;;
  "start atlshield.service") cd "$CLONE"; ATLSHIELD_PORT=$SET_PORT setsid .venv/bin/python -m serve \
    >>log 2>&1 </dev/null 8<&- & echo $! >"$CLONE/pid" ;;
  *) exit 1 ;;
esac
"""
SYSTEMD_RUN = 'echo "$@" >>"$CLONE/calls"; while [ "$1" != -- ]; do shift; done; shift; exec "$@"'


@pytest.mark.slow
def test_unit_is_set_up_anew_and_its_user_refreshes(clone: Clone, tmp_path: Path) -> None:
    port = str(find_port())
    clone.environment |= {"CLONE": str(clone.folder), "SET_PORT": port}
    write_tools(
        clone, tmp_path / "tools", systemctl=SYSTEMCTL, id="echo 0", **{"systemd-run": SYSTEMD_RUN}
    )
    bootstrap = "#!/bin/bash\nsystemctl start atlshield.service; echo set up >>$CLONE/calls\n"
    (clone.upstream / "deploy" / "bootstrap.sh").write_text(bootstrap)
    clone.commit(NEXT)
    call(clone.folder, "git", "pull", "--quiet")
    call(clone.folder, "make", ".venv/runtime")
    clone.run("systemctl", "start", "atlshield.service")
    try:
        while not responds(port):
            time.sleep(0.2)
        clone.commit({"warehouse/settings.py": ('"9.9.9"', '"9.9.10"')})
        code, out, errors = clone.upgrade()
        assert code == 0, out + errors
        assert ask(port, "/openapi.json")["info"]["version"] == "9.9.10"
        assert ask(port, "/readyz")["build_id"] == clone.state[1]
        *calls, last = (clone.folder / "calls").read_text().splitlines()
        assert last == "set up"
        assert all(
            " --uid=somebody --property=MemoryMax=atlshield-refresh.service -- " in c for c in calls
        )
        assert any(words.endswith("-P -m refresh") for words in calls)
    finally:
        clone.run("systemctl", "stop", "atlshield.service")


@pytest.mark.slow
def test_upgrade_by_the_real_refresh(clone: Clone) -> None:
    shutil.copy(ROOT / "refresh.py", clone.upstream / "refresh.py")
    new = clone.commit(NEXT)
    (clone.folder / "data" / "cities" / "own.toml").unlink()
    with (clone.folder / "atlshield.toml").open("a") as settings:
        settings.write("kept_builds = 1\n")
    before = clone.build
    code, out, errors = clone.upgrade()
    assert code == 0, out + errors
    asked = ("-m", "warehouse", "sql", "--csv", "SELECT compared_build_id FROM refresh_run")
    assert before in call(clone.folder, ".venv/bin/python", *asked)
    assert (clone.folder / "data" / "builds" / f"warehouse-{before}.duckdb").exists()
    assert clone.state[0] == new
