# shellcheck shell=bash
# Finds resources that a test run leaves behind, by comparing lists from before and after: gateway processes, containers, namespaces
# and cluster-scoped objects.

# list_resources: prints one line for each resource
list_resources() {
  gateways
  containers
  namespaces
}

# Lists processes that run this checkout's slipway, and git processes whose parent has ended.
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

# Lists containers, except those of pods, which are removed with their namespaces.
containers() {
  DOCKER_HOST=$(engine_url) docker ps -a --format '{{.Label "io.kubernetes.pod.namespace"}} {{.ID}} {{.Image}} {{.Names}}' | sed -n 's/^ /container /p'
}

namespaces() { dev_kubectl get namespace,persistentvolume,clusterrole,clusterrolebinding,validatingwebhookconfiguration -o name; }

# leftovers FILE: prints the resources that are missing in FILE; waits up to two minutes for resources to be removed
leftovers() {
  local end=$((SECONDS + 120)) found
  while found=$(comm -13 <(sort "$1") <(list_resources | sort)) && [[ -n $found ]]; do
    ((SECONDS < end)) || break
    sleep 1
  done
  printf '%s' "$found"
}

# list_remains: prints what `down` should have removed but has not
list_remains() {
  [[ ! -e $STATE ]] || printf 'directory %s\n' "$STATE"
  mounts_of_state | sed 's/^/mount /'
  engine_leftovers | sed 's/^/process /'
  our_cgroups | sed 's/^/cgroup /'
  ! have ip || ip -o link show dev "$BRIDGE" 2>/dev/null | sed 's/^/bridge /'
  local table
  for table in filter nat mangle; do
    ! have iptables || our_chains "$table" | sed "s/^/iptables $table /"
  done
}
