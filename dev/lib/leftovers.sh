# shellcheck shell=bash
# What a run of the tests may leave behind: gateways, containers, namespaces and what else belongs to the whole cluster.
# Compared before and after.

# snapshot: one line per thing that stands now
snapshot() {
  gateways
  containers
  namespaces
}

# processes that run a slipway of this checkout, and git's that have lost their parent
gateways() {
  local dir target
  target=$(target_dir)
  for dir in /proc/[0-9]*; do
    case $(readlink "$dir/exe" 2>/dev/null) in
    "$target"/*/slipway*) ;;
    */git | */git-*) grep -qx 'PPid:[[:space:]]*1' "$dir/status" 2>/dev/null || continue ;;
    *) continue ;;
    esac
    printf 'process %s %s\n' "${dir#/proc/}" "$(tr '\0' ' ' 2>/dev/null <"$dir/cmdline")"
  done
}

target_dir() { printf '%s\n' "${CARGO_TARGET_DIR:-$ROOT/target}"; }

# without those of the cluster's own pods, which go with their namespaces
containers() {
  DOCKER_HOST=$(engine_url) docker ps -a --format '{{.Label "io.kubernetes.pod.namespace"}} {{.ID}} {{.Image}} {{.Names}}' | sed -n 's/^ /container /p'
}

namespaces() { dev_kubectl get namespace,persistentvolume,clusterrole,clusterrolebinding,validatingwebhookconfiguration -o name; }

# leftovers FILE: what is there now and was not when FILE was written; things that are ending get two minutes
leftovers() {
  local end=$((SECONDS + 120)) found
  while found=$(comm -13 <(sort "$1") <(snapshot | sort)) && [[ -n $found ]]; do
    ((SECONDS < end)) || break
    sleep 1
  done
  printf '%s' "$found"
}

# remains: what `down` should have removed and has not
remains() {
  [[ ! -e $STATE ]] || printf 'directory %s\n' "$STATE"
  mounts_of_state | sed 's/^/mount /'
  stragglers | sed 's/^/process /'
  our_cgroups | sed 's/^/cgroup /'
  ! have ip || ip -o link show dev "$BRIDGE" 2>/dev/null | sed 's/^/bridge /'
  local table
  for table in filter nat mangle; do
    ! have iptables || our_chains "$table" | sed "s/^/iptables $table /"
  done
}
