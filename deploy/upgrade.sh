#!/usr/bin/env bash
# Brings this clone, its build and its service to another version, or leaves all three as they were:
# deploy/upgrade.sh [--force] [VERSION], by default to what the upstream of the current branch has.
# The new code makes and publishes its build from a folder of its own, .upgrade/code, while the old one
# serves. Then the clone is switched in place, so that data, settings and links stay where they are.
#
# broken off                      by a failure, Ctrl-C, kill    by kill -9, a power cut
# before the build is published   nothing has changed           nothing has changed
# between publish and switch      the build goes back           the old service, the new build
# in the switch (1-2 s)           code and build go back        no service, or one of half the new code
# until the new one is ready      code and build go back        the new service, which nobody awaits
# Where they did not go back yet, the next `make upgrade` first does that, by .upgrade/undo. A build goes
# back only where that upgrade has published it, which .upgrade/refresh.log knows: what others published
# since stays.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022  # the service's user reads what root writes here
unset MAKEFLAGS MFLAGS MAKEOVERRIDES  # words for the make that calls this are none for those below
work=.upgrade
undo=$work/undo
log=$work/refresh.log
ready_seconds=${UPGRADE_READY_SECONDS:-120}
old='' new='' build='' service=''

fail() {
  echo "error: $*" >&2
  exit 1
}

# Prints a property of a unit.
show() {
  systemctl show --property="$1" --value "${2:-atlshield.service}"
}

# Finds what serves from here, who owns its builds, and the settings that its process has.
find_service() {
  local process='' line
  run_as=(nice)
  if [ "$(show WorkingDirectory 2>/dev/null)" -ef . ]; then
    [ "$(id -u)" = 0 ] || fail "the service is a unit of systemd: run this as root"
    service=systemd
    process=$(show MainPID)
    run_as=(systemd-run --quiet --scope --slice=atlshield.slice --nice=10 --uid="$(show User)"
      --property="MemoryMax=$(show MemoryMax atlshield-refresh.service)" --)
  elif ./run.sh status >/dev/null 2>&1; then
    service=run.sh
    process=$(pgrep --pgroup "$(cat .run.lock)" | head -n 1)  # the worker, where that alone is left
  fi
  if [ -r "/proc/$process/environ" ]; then
    unset "${!ATLSHIELD_@}"
    while IFS= read -r -d '' line; do
      case $line in ATLSHIELD_*) export "${line?}" ;; esac
    done <"/proc/$process/environ"
  fi
}

read_settings() {
  { IFS= read -r builds && IFS= read -r raw_folder && read -r kept && read -r source && read -r cleaning &&
    read -r host && read -r port; } < <(.venv/bin/python -m warehouse settings \
    builds raw_folder kept_builds source cleaning host port) ||
    fail "the settings cannot be read: .venv/bin/python -m warehouse settings tells why"
}

# Prints what the pointer says of the published build; nothing where there is none.
published() {
  [ ! -e "$builds/current.json" ] || sed -n "s/^ *\"$1\": \"\(.*\)\",\?$/\1/p" "$builds/current.json"
}

# Finds the commit to go to; ends the program where this clone is at it or beyond.
find_new() {
  local remote told
  remote=$(git config "branch.$(git symbolic-ref --quiet --short HEAD).remote") || remote=origin
  old=$(git rev-parse HEAD)
  case $1 in
    '')
      git fetch --quiet "$remote"
      new=$(git rev-parse --quiet --verify '@{upstream}^{commit}') ||
        fail "this branch has no upstream: make upgrade VERSION=<tag, branch or commit>"
      if git merge-base --is-ancestor "$new" "$old"; then new=$old; fi
      git merge-base --is-ancestor "$old" "$new" ||
        fail "this branch has commits that its upstream lacks: VERSION=@{upstream} leaves them"
      ;;
    -*) fail "expected a tag, a branch or a commit; found $1" ;;
    *)
      if told=$(git fetch --quiet "$remote" "$1" 2>&1); then
        new=$(git rev-parse 'FETCH_HEAD^{commit}')
      else
        new=$(git rev-parse --quiet --verify "$1^{commit}") || fail "no version $1: $told"
        echo "$1 is taken as this clone has it: $told"
      fi
      ;;
  esac
  if [ "$new" = "$old" ]; then
    echo "nothing to do: this is version $(name "$old")"
    exit
  fi
}

name() {
  git log -1 --format='%h of %cs' "$1"
}

# Says, before minutes are spent, what would be lost or would fail.
check() {
  local changed need=100 free
  changed=$(git status --porcelain --untracked-files=no)
  [ -z "$changed" ] || fail "files of this clone were changed; commit them upstream, or git restore them:
$changed"
  git read-tree -n -m -u HEAD "$new" || fail "files that nobody committed are in the way"
  if build=$(published build_id) && [ -n "$build" ]; then
    [ "$(published source), $(published cleaning)" = "$source, $cleaning" ] ||
      fail "the published build is of source $(published source), cleaning $(published cleaning); the" \
        "settings say $source, $cleaning: set both in atlshield.toml, a refresh here has no other words"
  fi
  [ ! -e "$builds/.refresh.lock" ] || flock --nonblock "$builds/.refresh.lock" true ||
    fail "a refresh is at work in $builds"
  has_same_packages || need=$((need + $(du --summarize --block-size=1M .venv/ | cut -f 1) * 3 / 2))
  free=$(df --output=avail --block-size=1M . | tail -n 1)
  [ "$free" -ge "$need" ] || fail "the disk of $PWD has $((free)) MB free, an upgrade needs $need MB"
}

has_same_packages() {
  git show "$new:requirements.lock" | cmp -s - .venv/runtime
}

# Puts the new code beside, with the operator's own cities and layouts, and packages if it needs others.
prepare() {
  local base
  mkdir -p "$work/code"
  git archive "$new" | tar -x -C "$work/code"
  git ls-files -z --others --exclude-standard -- data/cities data/layouts data/reference |
    xargs --null --no-run-if-empty cp --parents --target-directory="$work/code"
  python=$PWD/.venv/bin/python
  if ! has_same_packages; then
    base=$("$python" -c 'import sys; print(sys._base_executable)')
    make --silent -C "$work/code" PYTHON="$base" .venv/runtime
    python=$PWD/$work/code/.venv/bin/python
  fi
}

# Runs a command of the new code, here and on the folders of the old one, where paths mean what they did.
# No build that is kept goes, whatever it takes to keep it: one of them is there to go back to.
in_new() {
  local file=${ATLSHIELD_SETTINGS:-}
  [ -n "$file" ] || [ ! -e atlshield.toml ] || file=$PWD/atlshield.toml
  "${run_as[@]}" env PYTHONPATH="$PWD/$work/code" ATLSHIELD_SETTINGS="$file" \
    ATLSHIELD_BUILDS="$builds" ATLSHIELD_RAW_FOLDER="$raw_folder" \
    ATLSHIELD_KEPT_BUILDS="$((kept < 999 ? kept + 2 : kept))" "$python" -P -m "$@"
}

save_undo() {
  local variable
  cp deploy/upgrade.sh "$work/upgrade.sh"
  (
    umask 077  # it may hold keys
    for variable in old new build service "${!ATLSHIELD_@}"; do
      printf 'export %s=%q\n' "$variable" "${!variable}"
    done >"$undo.partial"
  )
  sync
  mv "$undo.partial" "$undo"
  sync
}

stop_service() {
  case $service in
    systemd) systemctl stop atlshield.service ;;
    run.sh)
      ! ./run.sh status >/dev/null 2>&1 || ./run.sh stop
      echo "an upgrade" >.run.lock  # the service is expected to come back: `make status` misses it
      ;;
  esac
}

start_service() {
  case $service in
    systemd) deploy/bootstrap.sh ;;
    run.sh) ./run.sh start 8<&- ;;
  esac
}

# Changes code and packages, while no refresh may begin.
switch() {
  exec 7<"$builds/.refresh.lock"
  flock --nonblock 7 || fail "a refresh is at work in $builds"
  stop_service
  touch "$work/switched"
  sync
  git reset --quiet --hard "$new"
  if [ "$python" != "$PWD/.venv/bin/python" ]; then
    mv .venv "$work/venv.old"
    mv "$work/code/.venv" .venv
  fi
  touch .venv/runtime  # the lock file it was made of has a new date
  exec 7<&-
}

# Goes back to what `undo` says: code, packages, build, service.
go_back() {
  local failed='' stays=''
  echo "going back to version $(name "$old")" >&2
  if [ -e "$work/switched" ]; then
    find "$(git rev-parse --git-dir)" -name '*.lock' -delete  # git's, which has died too
    rm -f "$(git rev-parse --git-path index)"
    git reset --quiet --hard "$new"  # what is there in part is whole, so that all of it goes
    git reset --quiet --hard "$old"
    if [ -e "$work/venv.old" ]; then
      rm -rf .venv
      mv "$work/venv.old" .venv
    fi
    touch .venv/runtime
  fi
  read_settings
  [ ! -e "$work/switched" ] || stop_service
  if stays=$(find_reason_to_stay); then
    echo "$stays" >&2
  elif [ "$(published build_id)" != "$build" ]; then
    "${run_as[@]}" .venv/bin/python -m warehouse --builds "$builds" rollback "$build" || failed=1
  fi
  [ ! -e "$work/switched" ] || start_service
  [ -z "$failed" ] || fail "the service is the old one, the build is not"
  if [ -e "$work/switched" ] || [ -n "$stays" ]; then
    await_ready "$(published build_id)" || echo "the old service is not ready: $answer
make upgrade goes on to a newer version, make list shows what make rollback BUILD=<id> can go back to" >&2
  fi
  rm -rf "$undo" "$work"
}

# Prints why the pointer must not be moved back to the build of before; fails where it may be.
find_reason_to_stay() {
  local now
  now=$(published build_id)
  if [ "$now" = "$build" ]; then
    return 1
  elif [ -z "$build" ]; then
    echo "build $now stays: there was none before"
  elif [ -n "$now" ] && ! grep --quiet --no-messages --fixed-strings -- "$now" "$log"; then
    echo "build $now stays: another refresh has published it since"
  elif [ ! -e "$builds/warehouse-$build.duckdb" ]; then
    echo "build $now stays: the one before, $build, is no longer kept"
  else
    return 1
  fi
}

# Waits until the service answers from a build, or from any; where none runs, the code must list builds.
await_ready() {
  local end=$((SECONDS + ready_seconds))
  answer=''
  if [ -z "$service" ]; then
    .venv/bin/python -m warehouse list >/dev/null
    return
  fi
  while [ "$SECONDS" -lt "$end" ]; do
    answer=$(ask) || answer="no answer at $host port $port"
    [[ $answer != *'"status":"ok"'* || $answer != *"\"build_id\":\"$1"* ]] || return 0
    sleep 0.5
  done
  return 1
}

ask() {
  { exec 3<>"/dev/tcp/$host/$port" && printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3 &&
    timeout 5 cat <&3; } 2>/dev/null | tail -n 1
}

# shellcheck disable=SC2329  # the trap calls it
end() {
  local code=$?
  trap 'echo "error: going back has failed; mend the cause, then: make upgrade" >&2' EXIT
  trap : INT TERM HUP
  exec 7<&-
  if [ -e "$undo" ]; then
    go_back
    echo "this is version $(name HEAD) again, build $(published build_id)" >&2
  fi
  rm -rf "$work"
  trap - EXIT
  exit "$code"
}

main() {
  local force=() new_build
  [ "${1:-}" != --force ] || { force=(--force) && shift; }
  [ "$(git rev-parse --show-toplevel)" -ef . ] || fail "$PWD is no clone of git"
  exec 8<.
  flock --wait 10 8 || fail "another upgrade is at work in $PWD"
  find_service
  if [ -e "$undo" ]; then
    echo "an upgrade was broken off" >&2
    # shellcheck source=/dev/null
    . "$undo"
    go_back
  fi
  rm -rf "$work"  # an upgrade that was killed before it had begun
  read_settings
  find_new "${1:-}"
  check
  trap end EXIT
  trap 'exit 130' INT TERM HUP
  prepare
  in_new warehouse settings >/dev/null || fail "the settings are not what version ${new:0:12} wants"
  save_undo
  echo "from version $(name "$old") to $(name "$new")"
  in_new refresh "${force[@]}" | tee --ignore-interrupts "$log" || fail "the refresh of version ${new:0:12} failed"
  new_build=$(published build_id)
  switch
  start_service
  await_ready "$new_build" || fail "the new version was not ready within $ready_seconds s: $answer"
  rm "$undo"
  echo "this is version $(name HEAD), build $new_build; back: make upgrade VERSION=${old:0:12}"
}

main "$@"
exit
