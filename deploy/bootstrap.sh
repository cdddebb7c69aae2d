#!/usr/bin/env bash
# Makes a machine serve and refresh by itself: user, folders, settings, units, first build. Run it as
# root in a clone that lies outside of people's homes (/opt/atlshield). What is there already stays, so
# that it may be run again at any time; `uninstall` takes the units away and leaves data and settings.
set -euo pipefail
cd "$(dirname "$0")/.."
clone=$PWD
data=/var/lib/atlshield
settings=/etc/atlshield/atlshield.toml
units=/etc/systemd/system
names=(atlshield.service atlshield-refresh.service atlshield-refresh.timer atlshield-failure@.service)

fail() {
  echo "error: $*" >&2
  exit 1
}

# sed and systemd would take other characters for their own.
check_path() {
  [[ $1 != *[^[:alnum:]/._+@:,=-]* ]] || fail "'$1': expected a path of letters, digits and / . _ + @ : , = -"
}

install_packages() {
  if command -v make >/dev/null && python3 -c 'import ensurepip, venv' 2>/dev/null; then
    return
  elif command -v apt-get >/dev/null; then
    apt-get update -qq && apt-get install -y -qq make python3 python3-venv
  elif command -v dnf >/dev/null; then
    dnf install -y -q make python3
  else
    fail "make and python3 with venv are needed, and neither apt-get nor dnf is here to install them"
  fi
}

make_user_and_folders() {
  id atlshield >/dev/null 2>&1 ||
    useradd --system --user-group --home-dir "$data" --shell /usr/sbin/nologin atlshield
  local folder
  for folder in "$data" "$data/builds" "$data/raw" "$data/plans"; do
    [ -d "$folder" ] || install -d -o atlshield -g atlshield -m 0750 "$folder"
  done
  chown --recursive --no-dereference atlshield "$data"  # a restore by root may have come before
  [ -d /etc/atlshield ] || install -d -o root -g atlshield -m 0750 /etc/atlshield
}

write_settings() {
  if [ ! -L atlshield.toml ]; then
    [ ! -e atlshield.toml ] || fail "$clone/atlshield.toml would not count for the service: move it to $settings"
    ln -s "$settings" atlshield.toml  # every command in this clone finds them
  fi
  [ -e "$settings" ] && return
  sed -e "s|^# builds = .*|builds = \"$data/builds\"|" -e "s|^# raw_folder = .*|raw_folder = \"$data/raw\"|" \
    -e "s|^# plans = .*|plans = \"$data/plans\"|" \
    deploy/atlshield.toml >"$settings.new"
  chown root:atlshield "$settings.new" && chmod 0640 "$settings.new" && mv "$settings.new" "$settings"
}

# Finds the folders of the settings, and makes what a refresh writes to where it lies elsewhere: what is
# there belongs to others, who must let it in.
find_folders() {
  local folder found
  found=$(ATLSHIELD_SETTINGS=$settings .venv/bin/python -m warehouse settings builds raw_folder plans)
  writable=$data
  while IFS= read -r folder; do
    folder=$(realpath --canonicalize-missing -- "$folder")
    check_path "$folder"
    builds=${builds:-$folder}  # the first
    case $folder in
      "$data" | "$data"/*) continue ;;
      /home/* | "${HOME:-/home}"/* | /tmp/*) fail "$folder: the units see nobody's home and no /tmp" ;;
    esac
    [ -d "$folder" ] || install -d -o atlshield -g atlshield -m 0750 "$folder"
    runuser -u atlshield -- test -w "$folder" ||
      fail "$folder: atlshield cannot write there: chown -R atlshield:atlshield $folder"
    writable+=" $folder"
  done <<<"$found"
}

# Night is the city's.
find_zone() {
  ATLSHIELD_SETTINGS=$settings .venv/bin/python -c "
from etl.city import load_city
from warehouse.command import load_operation
print(load_city(load_operation().city).time_zone.key)"
}

render() {
  sed -e "s|/opt/atlshield|$clone|g" -e "s|^ReadWritePaths=.*|ReadWritePaths=$writable|" \
    -e "s|^\(OnCalendar=.*\) .*|\1 $zone|" "deploy/$1"
}

# Writes the units with the place of this clone; returns whether one has changed.
write_units() {
  local name changed=1
  for name in "${names[@]}"; do
    if ! render "$name" | cmp -s - "$units/$name"; then
      render "$name" >"$units/$name"
      changed=0
    fi
  done
  return "$changed"
}

start_all() {
  systemctl enable --quiet atlshield.service atlshield-refresh.timer
  systemctl start atlshield-refresh.timer
  systemctl start atlshield.service  # it waits for a build
  [ -e "$builds/current.json" ] || systemctl start atlshield-refresh.service ||
    fail "the first refresh failed (journalctl -u atlshield-refresh); the service waits for the next one"
}

uninstall() {
  local name
  systemctl disable --quiet --now atlshield.service atlshield-refresh.timer 2>/dev/null || true
  for name in "${names[@]}"; do rm -f "$units/$name"; done
  systemctl daemon-reload
  echo "the units are gone; data in $data (or where the settings say), settings in $settings and the user atlshield stay"
}

[ "$(id -u)" = 0 ] || fail "this changes the machine: run it as root"
case "${1:-install}" in
  install) ;;
  uninstall)
    uninstall
    exit
    ;;
  *) fail "expected install or uninstall; found $1" ;;
esac
case "$clone" in /home/* | "${HOME:-/home}"/*) fail "$clone: the service cannot read people's homes; move the clone to /opt/atlshield" ;; esac

check_path "$clone"
install_packages
make_user_and_folders
write_settings
make --silent .venv/runtime
.venv/bin/python -m compileall -q etl models planner serve warehouse refresh.py  # the user may write nothing here
find_folders
zone=$(find_zone)
if write_units; then systemctl daemon-reload; fi
start_all
echo "ATLShield serves and refreshes every night; settings: $settings, state: sudo -u atlshield make status"
