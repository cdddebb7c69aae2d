"""What a worker of this machine does before its first city; the cluster imports this in each."""

import signal
import sys

# Ctrl-C in a terminal reaches workers too: they end when the fleet does, without a word of their own.
signal.signal(signal.SIGINT, signal.SIG_IGN)

# DuckDB takes a process that was started without a file for a prompt, and draws progress bars into its
# output: a worker is such a process, and comes here before DuckDB.
sys.modules["__main__"].__file__ = __file__
