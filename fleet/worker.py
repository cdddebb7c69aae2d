"""What a worker of this machine does before its first city; the cluster imports this in each."""

import sys
from threading import RLock

from tqdm import tqdm

# DuckDB takes a process that was started without a file for a prompt, and draws progress bars into its
# output: a worker is such a process, and comes here before DuckDB.
sys.modules["__main__"].__file__ = __file__

# Bars of several processes in one terminal would share a semaphore, which a worker that is ended leaves
# behind. A worker's own go into its city's log.
tqdm.set_lock(RLock())
