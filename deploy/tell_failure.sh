#!/usr/bin/env bash
# Hands the last lines of a unit that failed to the operator's command, the setting on_failure.
# It finds the unit in $FAILED_UNIT and the lines on its standard input.
set -euo pipefail
cd "$(dirname "$0")/.."
unit=${1:?expected the name of a unit}
told=$(.venv/bin/python -m warehouse settings on_failure) || {
  echo "error: nobody was told that $unit failed: the settings cannot be read" >&2  # this goes to the journal
  exit 1
}
if [ -n "$told" ]; then
  journalctl --unit "$unit" --lines 30 --output cat --no-pager | FAILED_UNIT=$unit sh -c "$told"
fi
