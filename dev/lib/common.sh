# shellcheck shell=bash
# shellcheck disable=SC2034 # the settings are used by the files that source this one
# Settings and small helpers that every script under dev/ shares. Sourced, never run.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Every setting has a SLIPWAY_DEV_* variable, so that a second instance can stand beside the first.
CACHE=${SLIPWAY_DEV_CACHE:-${HOME:-/root}/.cache/slipway-dev} # what is expensive to make: survives `down`
STATE=${SLIPWAY_DEV_STATE:-/tmp/slipway-dev}                  # what a running cluster owns: `down` removes it

BRIDGE=${SLIPWAY_DEV_BRIDGE:-slipway0} # pods hang on this bridge; other machines do not reach it
HOST=${SLIPWAY_DEV_HOST:-172.30.0.1}   # the machine's own address on the bridge
SUBNET=${SLIPWAY_DEV_SUBNET:-172.30.0.0/16}
SERVICES_SUBNET=10.96.0.0/16
SERVICES_FIRST=10.96.0.1 # where pods find the API server

API_PORT=${SLIPWAY_DEV_API_PORT:-16443}
ETCD_PORT=${SLIPWAY_DEV_ETCD_PORT:-12379}
ETCD_PEER_PORT=${SLIPWAY_DEV_ETCD_PEER_PORT:-12380}
REGISTRY_PORT=${SLIPWAY_DEV_REGISTRY_PORT:-15000}
KUBELET_PORT=${SLIPWAY_DEV_KUBELET_PORT:-10250}
SSH_PORT=${SLIPWAY_DEV_SSH_PORT:-2222}
HTTP_PORT=${SLIPWAY_DEV_HTTP_PORT:-8080}

KUBERNETES=1.20.2
BIN=$CACHE/kubernetes-$KUBERNETES
TOOLS=$CACHE/tools
ENGINE_SOCKET=$STATE/engine/docker.sock

say() { printf -- '-----> %s\n' "$*" >&2; }
note() { printf '       %s\n' "$*" >&2; }
warn() { printf ' !     %s\n' "$*" >&2; }
die() {
  warn "$@"
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [[ $(id -u) == 0 ]]; }

# until_true SECONDS COMMAND...: true as soon as the command is, false when the time is over
until_true() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.1
  done
}

# port_taken ADDRESS PORT: an address that is not this machine's yet has no ports, whatever a proxy on the way answers
port_taken() { own_address "$1" && (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

own_address() { [[ $1 == 127.* || -n $(ip -o addr show to "$1" 2>/dev/null) ]]; }

# The state directory is removed as a whole in the end, so it has to be one that is meant for that.
check_state_dir() {
  [[ $STATE == /*/* ]] || die "SLIPWAY_DEV_STATE has to be an absolute path below a top-level directory: $STATE"
  [[ $STATE != "${HOME:-/root}" && $STATE != "$ROOT" && $STATE != "$CACHE" ]] ||
    die "SLIPWAY_DEV_STATE has to be a directory of its own: $STATE"
  [[ ! -e $STATE || -O $STATE ]] || die "$STATE belongs to another user: set SLIPWAY_DEV_STATE"
}

make_state_dir() {
  check_state_dir
  (umask 077 && mkdir -p "$CACHE" "$STATE")
  mkdir -p "$STATE"/{run,log}
}

# What stands behind `up`: "own", "adopted CONTEXT", or nothing.
cluster_kind() { cat "$STATE/cluster" 2>/dev/null || true; }

# One `up` or `down` at a time.
lock() {
  mkdir -p "$CACHE"
  exec 9>"$CACHE/lock"
  flock -w 900 9 || die "another dev/cluster is at work (lock: $CACHE/lock)"
}

# The comment at a script's head is its help.
usage() {
  awk 'NR > 1 {if (!/^#/) exit; if (!/shellcheck/) {sub(/^# ?/, ""); print}}' "$1" >&2
  exit 2
}
