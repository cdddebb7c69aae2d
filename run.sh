#!/usr/bin/env bash
# The service in the background, where there is no systemd: ./run.sh [start|stop|status].
# It and its worker run for as long as one of them holds the lock on .run.lock, which has its process id.
set -euo pipefail
cd "$(dirname "$0")"
log=atlShield.log
lock=.run.lock
log_seconds=10  # between looks at the size of the log
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

# Whether only the worker is left of the service: it answers, but nothing starts it again.
lost_supervisor() {
  case $(ps -o stat= -p "$(cat "$lock")") in "" | Z*) ;; *) return 1 ;; esac
}

say_running() {
  if lost_supervisor; then
    echo "ATLShield's worker goes on alone, process $(cat "$lock") was killed: ./run.sh stop, then ./run.sh"
  else
    echo "ATLShield runs as process $(cat "$lock"); its log: tail -f $PWD/$log"
  fi
}

# Begins the log anew once it has $1 bytes; what was in it goes to $log.1. It stays the same file, so that
# the service and `tail -f` go on; lines of the instant between are lost.
turn_log() {
  [ "$(wc -c <"$log")" -ge "$1" ] || return 0
  cp "$log" "$log.1" || echo "error: the log of before is lost" >&2  # the disk may be full: make room
  : >"$log"
}

# Keeps the log of the group of processes $1 below $2 bytes, for as long as one of them runs.
watch_log() {
  trap '' HUP
  while kill -0 -- "-$1"; do
    turn_log "$2"
    sleep "$log_seconds"
  done
}

start() {
  runs && fail "it runs already: $(say_running)"
  make --silent .venv/runtime
  local host port megabytes
  { IFS= read -r host && read -r port && read -r megabytes; } < <(.venv/bin/python -m warehouse settings host port log_megabytes) ||
    fail "the settings cannot be read: .venv/bin/python -m warehouse settings tells why"
  answers "$host" "$port" && fail "something else answers at $host port $port already"
  .venv/bin/python -m warehouse list >/dev/null 2>&1 || make refresh
  touch "$log"
  local before bytes=$((megabytes * 1000000))
  turn_log "$bytes"
  before=$(wc -c <"$log")
  # The service inherits the lock; whoever gets it writes its process id; the log is for it alone.
  (
    flock --nonblock 9 || fail "it is being started by another"
    echo "$BASHPID" >"$lock"
    exec setsid .venv/bin/python -m serve >>"$log" 2>&1 </dev/null
  ) 9>>"$lock" &
  local service=$!
  for _ in $(seq 100); do
    sleep 0.2
    kill -0 "$service" 2>/dev/null || { tail -c "+$((before + 1))" "$log" >&2; fail "it ended at once; its log: $PWD/$log"; }
    if answers "$host" "$port"; then
      watch_log "$service" "$bytes" >/dev/null 2>&1 </dev/null &
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
  if lost_supervisor; then kill -- "-$process"; else kill "$process"; fi  # they are one group
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
