# shellcheck shell=bash
# shellcheck disable=SC2034 # the files that source this one use the settings
# Settings and helper functions shared by all scripts in dev/. To be sourced.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Every setting has a SLIPWAY_DEV_* variable, so that two development clusters can run on one machine.
CACHE=${SLIPWAY_DEV_CACHE:-${HOME:-/root}/.cache/slipway-dev} # files that are expensive to create; kept by `down`
STATE=${SLIPWAY_DEV_STATE:-/tmp/slipway-dev}                  # files of the running cluster; removed by `down`

BRIDGE=${SLIPWAY_DEV_BRIDGE:-slipway0} # the network bridge of the pods; other machines cannot reach it
HOST=${SLIPWAY_DEV_HOST:-172.30.0.1}   # this machine's address on the bridge
SUBNET=${SLIPWAY_DEV_SUBNET:-172.30.0.0/16}
SERVICES_SUBNET=10.96.0.0/16
SERVICES_FIRST=10.96.0.1 # cluster IP of the API server

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
warn() { printf ' !     %s\n' "$*" >&2; }
die() {
  warn "$@"
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [[ $(id -u) == 0 ]]; }

# wait_until SECONDS COMMAND...: repeats the command until it succeeds; fails after SECONDS
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || return 1
    sleep 0.1
  done
}

# is_port_taken ADDRESS PORT: checks only this machine's addresses, because a proxy may answer for all others
is_port_taken() { own_address "$1" && (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

own_address() { [[ $1 == 127.* || -n $(ip -o addr show to "$1" 2>/dev/null) ]]; }

# `down` removes the whole state directory, so it must not be a directory with other content.
check_state_dir() {
  [[ $STATE == /*/* ]] || die "SLIPWAY_DEV_STATE is $STATE: set it to an absolute path below a top-level directory"
  [[ $STATE != "${HOME:-/root}" && $STATE != "$ROOT" && $STATE != "$CACHE" ]] ||
    die "SLIPWAY_DEV_STATE is $STATE: set it to a directory that contains nothing else"
  [[ ! -e $STATE || -O $STATE ]] || die "$STATE belongs to another user: set SLIPWAY_DEV_STATE"
}

make_state_dir() {
  check_state_dir
  (umask 077 && mkdir -p "$CACHE" "$STATE")
  mkdir -p "$STATE"/{run,log}
}

# The cluster that `up` uses: "own", "adopted CONTEXT", or nothing.
cluster_kind() { cat "$STATE/cluster" 2>/dev/null || true; }

# Allows one `up` or `down` at a time.
lock() {
  mkdir -p "$CACHE"
  exec 9>"$CACHE/lock"
  flock -w 900 9 || die "another dev/cluster is running: wait until it ends (lock: $CACHE/lock)"
}

# Prints the comment at the head of a script as its help.
usage() {
  awk 'NR > 1 {if (!/^#/) exit; if (!/shellcheck/) {sub(/^# ?/, ""); print}}' "$1" >&2
  exit 2
}
