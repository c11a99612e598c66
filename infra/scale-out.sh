#!/usr/bin/env bash
# The demo in the second shape on this machine: servers of infra/services, two of each process on one port, seeded.
# Prints the demo's line when ready; ends, processes first, with Ctrl-C. The servers and what they hold stay.
# Usage: infra/scale-out.sh BIN [PORT]
set -euo pipefail
bin=$1 port=${2:-8000}
home=${SHOPLIGHT_SERVICES_DIR:-.services}/house
mkdir -p "$home"
"$bin/python" -m infra.services start >&2
eval "$("$bin/python" -m infra.services env --shell)"
if [ ! -f "$home/secrets" ]; then
    (umask 077 && printf 'export SHOPLIGHT_SECRETS_SESSION_KEY=%s SHOPLIGHT_SECRETS_TOKEN_KEYS=k1:%s\n' \
        "$(openssl rand -hex 32)" "$(openssl rand -hex 32)" >"$home/secrets")
fi
# shellcheck disable=SC1091
source "$home/secrets"
export SHOPLIGHT_DATABASE_URL=${SHOPLIGHT_DATABASE_URL%/*}/shoplight
export SHOPLIGHT_EVENTS_CLICKHOUSE_URL=${SHOPLIGHT_EVENTS_CLICKHOUSE_URL%/*}/shoplight
export SHOPLIGHT_HTTP_BASE_URL=http://127.0.0.1:$port SHOPLIGHT_HTTP_REUSE_PORT=true
# as in the demo: its own pictures may be fetched, its developer's browser counts, its sites have no daily budget
export SHOPLIGHT_FETCH_ALLOW=127.0.0.1:$port,localhost:$port SHOPLIGHT_EVENTS_HEADLESS_IS_NET=true
export SHOPLIGHT_LIMITS_MEDIA_PER_SITE_PER_DAY=1000000

run() { SHOPLIGHT_DATADIR=$home/$1 SHOPLIGHT_HTTP_PORT=$2 exec "$bin/python" -m workers.cli "${@:3}"; }
(run command 0 migrate) >&2
started=()
trap 'trap - EXIT INT TERM; kill "${started[@]}" 2>/dev/null || true; wait' EXIT INT TERM
for number in 1 2; do
    (run "serve-$number" "$port" serve) 2>>"$home/serve-$number.log" >&2 & started+=($!)
    for role in worker sink; do
        (run "$role-$number" 0 "$role") 2>>"$home/$role-$number.log" >&2 & started+=($!)
    done
done
(run beat 0 beat) 2>>"$home/beat.log" >&2 & started+=($!)
until "$bin/python" -c "import sys, urllib.request as u; sys.exit(u.urlopen('$SHOPLIGHT_HTTP_BASE_URL/readyz').status != 200)" 2>/dev/null; do
    sleep 0.5
    for one in "${started[@]}"; do
        kill -0 "$one" || { echo "A process ended; see $home/*.log" >&2; exit 1; }
    done
done
(run command 0 seed)
echo "Two of each process run; their logs are in $home. Ctrl-C ends them, make services-stop the servers." >&2
wait
