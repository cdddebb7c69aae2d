"""Many cities: their refreshes on a cluster, and what they made as one set of tables."""

import sys

# DuckDB takes a process that was started without a file for a prompt, and draws progress bars into its
# output: a worker of Dask is such a process, and imports this before DuckDB.
if not hasattr(sys.modules["__main__"], "__file__"):
    sys.modules["__main__"].__file__ = __file__
