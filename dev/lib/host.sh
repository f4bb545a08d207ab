# shellcheck shell=bash
# The cluster's changes to the machine outside its state directory, and their removal: a bridge, the iptables chains of this
# script, kube-proxy and the kubelet, sysctls, and a few directories.

CHAIN=SLIPWAY-DEV
CGROUP=${SLIPWAY_DEV_CGROUP:-slipway-dev}
SYSCTLS=(
  net/ipv4/ip_forward net/ipv4/conf/all/route_localnet net/bridge/bridge-nf-call-iptables
  vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops
)
# directories that the kubelet and dockerd create regardless of their flags
HOST_DIRS=(
  /var/log/pods /var/log/containers /var/lib/kubelet /var/lib/dockershim /var/lib/cni /run/containerd /run/docker
  /etc/docker /etc/kubernetes /usr/libexec/kubernetes /opt/cni
)

save_host_state() {
  [[ ! -f $STATE/outside ]] || return 0
  local name
  for name in "${SYSCTLS[@]}"; do
    [[ ! -r /proc/sys/$name ]] || printf '%s %s\n' "$name" "$(<"/proc/sys/$name")"
  done >"$STATE/sysctls"
  for name in "${HOST_DIRS[@]}" /etc/docker/key.json; do
    [[ -e $name ]] || printf '%s\n' "$name"
  done >"$STATE/outside"
}

restore_host_state() {
  local name value
  if [[ -f $STATE/sysctls ]]; then
    while read -r name value; do
      [[ $(<"/proc/sys/$name") == "$value" ]] || printf '%s' "$value" >"/proc/sys/$name" || warn "could not restore $name"
    done <"$STATE/sysctls"
  fi
  if [[ -f $STATE/outside ]]; then
    while read -r name; do rm -rf --one-file-system "$name"; done <"$STATE/outside"
  fi
  remove_cgroups
}

# Lists the cluster's cgroups: version 2 has one tree, version 1 has one for each controller.
our_cgroups() {
  local dir
  for dir in "/sys/fs/cgroup/$CGROUP" /sys/fs/cgroup/*/"$CGROUP"; do
    [[ ! -d $dir ]] || printf '%s\n' "$dir"
  done
}

# Kills the processes of containers whose dockerd has ended.
kill_cgroups() {
  local dir
  our_cgroups | while read -r dir; do
    # shellcheck disable=SC2038 # pids, one a line
    find "$dir" -name cgroup.procs -exec cat {} + 2>/dev/null | xargs -r kill -KILL 2>/dev/null || true
  done
}

remove_cgroups() {
  local dir
  our_cgroups | while read -r dir; do
    wait_until 5 remove_cgroup "$dir" || warn "could not remove $dir"
  done
}

remove_cgroup() { find "$1" -depth -type d -exec rmdir {} +; }

# Two kube-proxies would write the same iptables chains, so a network namespace can have only one.
check_no_other_kube_proxy() {
  local dir
  for dir in /proc/[0-9]*; do
    [[ $(cat "$dir/comm" 2>/dev/null) == kube-proxy ]] || continue
    [[ $(readlink "$dir/ns/net" 2>/dev/null) != "$(readlink /proc/self/ns/net)" ]] ||
      die "another kube-proxy runs on this machine (process ${dir#/proc/}): stop its cluster first"
  done
}

up_network() {
  printf 1 >/proc/sys/net/ipv4/ip_forward
  if ! ip link show dev "$BRIDGE" >/dev/null 2>&1; then
    [[ -z $(ip -o -4 addr show to "$SUBNET") ]] || die "$SUBNET is in use on this machine: set SLIPWAY_DEV_HOST and SLIPWAY_DEV_SUBNET"
    ip link add "$BRIDGE" type bridge
    ip addr add "$HOST/${SUBNET#*/}" dev "$BRIDGE"
  fi
  ip link set "$BRIDGE" up
  ip route replace "$SERVICES_SUBNET" dev "$BRIDGE" # without it, Services need a default route
  ensure_chain filter FORWARD
  iptables -w -A "$CHAIN" -i "$BRIDGE" -j ACCEPT
  iptables -w -A "$CHAIN" -o "$BRIDGE" -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
  ensure_chain nat POSTROUTING
  iptables -w -t nat -A "$CHAIN" -s "$SUBNET" ! -o "$BRIDGE" -j MASQUERADE
}

# ensure_chain TABLE PARENT: creates or empties the chain $CHAIN, and jumps to it first in PARENT
ensure_chain() {
  iptables -w -t "$1" -N "$CHAIN" 2>/dev/null || iptables -w -t "$1" -F "$CHAIN"
  iptables -w -t "$1" -C "$2" -j "$CHAIN" 2>/dev/null || iptables -w -t "$1" -I "$2" -j "$CHAIN"
}

down_network() {
  local table
  for table in filter nat mangle; do remove_chains "$table"; done
  ! ip link show dev "$BRIDGE" >/dev/null 2>&1 || ip link del "$BRIDGE"
}

# `kube-proxy --cleanup` leaves chains behind, so this deletes all chains by name, after the rules that jump to them.
remove_chains() {
  local table=$1 chains
  mapfile -t chains < <(our_chains "$table")
  ((${#chains[@]})) || return 0
  {
    printf '*%s\n' "$table"
    printf -- '-F %s\n' "${chains[@]}"
    iptables -w -t "$table" -S | grep -E -- "^-A [^ ]+ .*-j (KUBE-|$CHAIN( |\$))" | grep -vE -- "^-A (KUBE-|$CHAIN )" | sed 's/^-A/-D/' || true
    printf -- '-X %s\n' "${chains[@]}"
    printf 'COMMIT\n'
  } | iptables-restore -w --noflush || warn "could not remove all iptables chains from table $table"
}

# our_chains TABLE
our_chains() { iptables -w -t "$1" -S 2>/dev/null | sed -nE "s/^-N (KUBE-.*|$CHAIN)\$/\1/p"; }

unmount_state() {
  local point
  while read -r point; do umount "$point" 2>/dev/null || umount -l "$point" || warn "could not unmount $point"; done < <(mounts_of_state)
}

# Lists the mount points below the state directory, deepest first.
mounts_of_state() { awk -v dir="$STATE/" 'index($5, dir) == 1 {print $5}' /proc/self/mountinfo | sort -r; }
