"""What a worker of this machine does before its first city; the cluster imports this in each."""

import sys

# DuckDB takes a process that was started without a file for a prompt, and draws progress bars into its
# output: a worker is such a process, and comes here before DuckDB.
sys.modules["__main__"].__file__ = __file__
