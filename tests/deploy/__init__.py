"""Tests of `deploy/` and of `run.sh`."""
