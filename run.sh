#!/usr/bin/env bash
# The service in the background, where there is no systemd: ./run.sh [start|stop|status].
# It and its worker run for as long as one of them holds the lock on .run.lock, which has its process id.
set -euo pipefail
cd "$(dirname "$0")"
log=atlShield.log
lock=.run.lock
stop_seconds=45  # the service lets requests under way end within 30

fail() {
  echo "error: $*" >&2
  exit 1
}

runs() {
  [ -e "$lock" ] && ! flock --nonblock "$lock" true
}

answers() {
  local status
  # Without an answer, and without a listener, this is false.
  { exec 3<>"/dev/tcp/$1/$2" && printf 'GET /livez HTTP/1.0\r\n\r\n' >&3 && read -r -t 2 status <&3; } 2>/dev/null &&
    [[ $status == HTTP/* ]]
}

say_running() {
  echo "ATLShield runs as process $(cat "$lock"); its log: tail -f $PWD/$log"
}

start() {
  runs && fail "it runs already, as process $(cat "$lock"): ./run.sh stop ends it"
  make --silent .venv/runtime
  local host port
  { read -r host && read -r port; } < <(.venv/bin/python -m warehouse settings host port) ||
    fail "the settings cannot be read: .venv/bin/python -m warehouse settings tells why"
  answers "$host" "$port" && fail "something else answers at $host port $port already"
  .venv/bin/python -m warehouse list >/dev/null 2>&1 || make refresh
  touch "$log"
  local before
  before=$(wc -c <"$log")
  # The service inherits the lock; whoever gets it writes its process id; the log is for it alone.
  (
    flock --nonblock 9 || fail "it is being started by another"
    echo "$BASHPID" >"$lock"
    exec setsid .venv/bin/python -m serve >>"$log" 2>&1 </dev/null
  ) 9>>"$lock" &
  for _ in $(seq 100); do
    sleep 0.2
    kill -0 $! 2>/dev/null || { tail -c "+$((before + 1))" "$log" >&2; fail "it ended at once; its log: $PWD/$log"; }
    if answers "$host" "$port"; then
      say_running
      return
    fi
  done
  fail "it does not answer yet; its log: $PWD/$log"
}

stop() {
  runs || fail "it does not run"
  local process
  process=$(cat "$lock")
  case $(ps -o stat= -p "$process") in
    "" | Z*) kill -- "-$process" ;;  # it was killed, and its worker is left: they are one group
    *) kill "$process" ;;
  esac
  flock --wait "$stop_seconds" "$lock" true || fail "it did not end within $stop_seconds s: kill -9 -- -$process"
  : >"$lock"  # it is not expected to answer from here on
  echo "ATLShield has ended"
}

case "${1:-start}" in
  start) start ;;
  stop) stop ;;
  status) if runs; then say_running; else fail "it does not run"; fi ;;
  *) fail "expected start, stop or status; found $1" ;;
esac
