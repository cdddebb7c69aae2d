"""The cluster: Dask's workers take one city each, until all are done.

Input: tasks, largest first. Output: an outcome for each. A worker that dies is replaced, and its city
goes to another; one that has killed several workers has failed.
"""

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from uuid import uuid4

import dask
from distributed import Client, LocalCluster, as_completed
from tqdm import tqdm

from fleet.city_task import CityOutcome, CityTask, run_on_worker
from warehouse.errors import ShieldError
from warehouse.machine import available_cores, available_memory
from warehouse.tables_fleet import FAILED

CONNECT_SECONDS = 20

MAX_DEATHS = 10
"""Workers of this machine that may die over the same city; beyond, it has failed."""


@contextmanager
def connect_cluster(scheduler: str | None, workers: int | None) -> Iterator[Client]:
    """Connect to a scheduler, or make a cluster of this machine: a worker of one thread for each core.

    What reaches a worker can run anything there: on this machine only this process can, by certificates.

    Raises `ShieldError` for a scheduler that does not answer, and for workers with several threads.
    """
    if scheduler is None:
        count = workers or available_cores()
        with (
            hold_interrupts() as release,
            dask.config.set({"distributed.scheduler.allowed-failures": MAX_DEATHS}),
            LocalCluster(
                n_workers=count, threads_per_worker=1, memory_limit=available_memory() // count,
                dashboard_address="127.0.0.1:0", silence_logs=logging.CRITICAL, security=True,
                preload=["fleet.worker"],
            ) as cluster,
            Client(cluster) as client,
        ):  # fmt: skip
            release()
            yield client
        return
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise ShieldError(f"no scheduler answers at {scheduler}: {error}") from error
    with client:
        for address, facts in client.scheduler_info(n_workers=-1)["workers"].items():
            if facts["nthreads"] != 1:
                raise ShieldError(
                    f"worker {address} has {facts['nthreads']} threads, and a city needs a process of"
                    " its own: start workers with --nthreads 1 --nworkers <cores>"
                )
        yield client


@contextmanager
def hold_interrupts() -> Iterator[Callable[[], None]]:
    """Let Ctrl-C wait until the function that is yielded is called; processes begun before ignore it.

    In a terminal it reaches workers too: they end when the fleet does, without a word of their own.
    """

    def release() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    resource_tracker.ensure_running()  # the first to start it would let Ctrl-C through again
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield release
    finally:
        release()


def run_tasks(client: Client, tasks: list[CityTask]) -> Iterator[CityOutcome]:
    """Run all tasks, saying of each how it ended; yield their outcomes as they come."""
    run = f"city_{uuid4().hex}"  # one group of tasks: the scheduler hands them out as workers get free
    names = {}
    for task in tasks:
        future = client.submit(run_on_worker, task, key=(run, task.name), pure=False)
        names[future] = task.name
    with tqdm(total=len(tasks), unit="city", disable=None) as bar:
        for future in as_completed(list(names)):
            error = future.exception()
            if error is None:
                outcome = future.result()
            else:  # what Dask says of a task whose workers died
                outcome = CityOutcome(names[future], FAILED, " ".join(str(error).split()), 0, None)
            tqdm.write(describe_outcome(outcome))
            bar.update()
            yield outcome


def describe_outcome(outcome: CityOutcome) -> str:
    """Return one line on how a city ended."""
    reason = f": {outcome.reason}" if outcome.reason else ""
    return f"{outcome.city:<24} {outcome.outcome:<9} {outcome.seconds:7.1f} s{reason}"
