"""What several tests need: a small published build, a build with clean tables, the real data."""

import datetime as dt
import fcntl
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from threadpoolctl import threadpool_limits

from etl.city import City, load_city
from etl.clean import clean_files
from models import backtest_ledger, feedback
from refresh import Request, refresh
from serve.app import Service, create_app
from tests.quick_models import quick_models
from tests.raw import simulate_fewer, write_daily, write_simulated
from tests.serve.client import make_client
from warehouse import machine, settings
from warehouse.build import Build, open_build
from warehouse.operation import FILE_VARIABLE, PREFIX

REAL_DATA = settings.ROOT.parent / "shared" / "data"

CleanFiles = Callable[[Sequence[Path]], Build]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """One thread a process: on small data a second one costs more than it gives.

    And two past origins and replications a build: more would cost minutes and show nothing else.
    """
    with pytest.MonkeyPatch.context() as patch, threadpool_limits(1):
        patch.setattr(machine, "available_cores", lambda: 1)
        patch.setattr(backtest_ledger, "LEDGER_ORIGINS", 2)
        patch.setattr(feedback, "REPLICATIONS", 2)
        yield


@pytest.fixture(scope="session", autouse=True)
def hears_interrupts() -> None:
    """Ctrl-C reaches what tests start, also where a shell has started them in its background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def no_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No settings of whoever runs the tests, here and in the processes that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(PREFIX)]:
            patch.delenv(name)
        empty = tmp_path_factory.mktemp("settings") / "empty.toml"
        empty.touch()
        patch.setenv(FILE_VARIABLE, str(empty))
        yield


@pytest.fixture(scope="session")
def city() -> City:
    """The one city there is."""
    return load_city()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real incident files; tests that need it say so when they skip."""
    if not REAL_DATA.is_dir():
        pytest.skip("the real incident files are not there (../shared/data)")
    return REAL_DATA


def build_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that `make` has filled, once for all processes of the run; do not write to it."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # that of the run: each worker has a folder of its own in it
    folder, draft = root / name, root / f"{name}.draft"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            shutil.rmtree(draft, ignore_errors=True)  # of a process that failed
            draft.mkdir()
            make(draft)
            draft.rename(folder)
    return folder


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one published build of simulated data; do not write to it."""

    def make(builds: Path) -> None:
        with simulate_fewer(tmp_path_factory.mktemp("simulated")), quick_models():
            refresh(Request("simulated", builds, sample_incidents=5000))

    return build_once(tmp_path_factory, "published", make)


@pytest.fixture(scope="session")
def whole_city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one published build of all simulated neighborhoods; do not write to it.

    It takes most of a minute: for slow tests.
    """
    return build_once(
        tmp_path_factory,
        "whole_city",
        lambda builds: refresh(Request("simulated", builds, sample_incidents=5000)),
    )


@pytest.fixture(scope="session")
def daily(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one published build of 100 days, not called simulated; do not write to it."""

    def make(builds: Path) -> None:
        raw = write_daily(builds / "daily.csv")
        refresh(Request("files", builds, raw=(raw,), with_backtest=False))
        raw.unlink()

    return build_once(tmp_path_factory, "daily", make)


@pytest.fixture(scope="session")
def few_places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one published build of 12 simulated neighborhoods; do not write to it.

    It has all that one of the whole city has, in a twentieth of the rows.
    """

    def make(builds: Path) -> None:
        raw = write_simulated(builds / "simulated.csv", 60_000, places=12)
        with quick_models():
            refresh(Request("files", builds, raw=(raw,), first=dt.date(2023, 1, 1)))
        raw.unlink()

    return build_once(tmp_path_factory, "few_places", make)


@pytest.fixture
def daily_builds(daily: Path, tmp_path: Path) -> Path:
    """A folder of one's own with one published build of 100 days that are not called simulated."""
    return Path(shutil.copytree(daily, tmp_path / "builds", symlinks=True))


@pytest.fixture
def clean(tmp_path: Path, city: City) -> Iterator[CleanFiles]:
    """A function from raw files to a build whose clean tables are filled."""
    with ExitStack() as stack:

        def run(paths: Sequence[Path]) -> Build:
            build = stack.enter_context(open_build("test", tmp_path / "clean.duckdb"))
            clean_files(build, paths, city)
            return build

        yield run


@pytest.fixture(scope="session")
def app(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Service:
    """The application over a copy of the simulated build.

    It keeps its file open, and DuckDB lets nobody open it in another configuration meanwhile.
    """
    builds = tmp_path_factory.mktemp("served") / "builds"
    shutil.copytree(published, builds, symlinks=True)
    return create_app(builds)


@pytest.fixture
def client(app: Service) -> FlaskClient:
    """A client of the application."""
    return make_client(app)
