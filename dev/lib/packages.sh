# shellcheck shell=bash
# Debian packages, each with a command or a file that shows whether it is installed.

BUILD_PACKAGES=(git:git cc:gcc make:make /usr/include/stdio.h:libc6-dev)
CLIENT_PACKAGES=(git:git ssh:openssh-client curl:curl jq:jq openssl:openssl)
CHECK_PACKAGES=(promtool:prometheus faketime:faketime) # for tests only
PYTHON_PACKAGES=(python3:python3 pip3:python3-pip /etc/ssl/certs/ca-certificates.crt:ca-certificates)
CLUSTER_PACKAGES=(
  dockerd:docker.io docker:docker.io docker-registry:docker-registry etcd:etcd-server kubectl:kubernetes-client
  openssl:openssl busybox:busybox-static iptables:iptables ip:iproute2 conntrack:conntrack socat:socat
  ethtool:ethtool mount:mount flock:util-linux
)
KUBERNETES_BUILD_PACKAGES=(/usr/lib/go/bin/go:golang-go rsync:rsync make:make gcc:gcc)

# ensure_packages COMMAND:PACKAGE...: installs the missing packages
ensure_packages() {
  local pair missing=()
  for pair in "$@"; do
    if [[ $pair == /* ]]; then [[ -e ${pair%%:*} ]]; else have "${pair%%:*}"; fi || missing+=("${pair##*:}")
  done
  ((${#missing[@]})) || return 0
  have apt-get || die "these packages are missing, and this machine has no apt-get: install ${missing[*]}"
  is_root || die "these packages are missing: as root, run apt-get install ${missing[*]}"
  say "installing ${missing[*]}"
  install_quietly "${missing[@]}"
}

install_quietly() (
  # prevents packages from starting services on default ports
  if [[ ! -e /usr/sbin/policy-rc.d ]]; then
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
  fi
  exec 9>&-
  log=$(mktemp)
  export DEBIAN_FRONTEND=noninteractive
  if ! { apt-get update -q && apt-get install -yq --no-install-recommends "$@"; } >"$log" 2>&1 </dev/null; then
    tail -n 15 "$log" >&2
    die "apt-get could not install $*: see the output above and $log"
  fi
  rm -f "$log"
)
