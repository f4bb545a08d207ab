# shellcheck shell=bash
# A separate Docker Engine with its own socket, data directory and bridge, so that it does not affect an existing Engine.

own_docker() { DOCKER_HOST=unix://$ENGINE_SOCKET docker "$@"; }

up_engine() {
  up_network # also if the Engine runs, because iptables rules may have been flushed
  if ! is_running dockerd; then
    say "starting dockerd"
    mkdir -p "$STATE/engine"
    write_engine_config
    # Newer Engines reject the API version of this kubelet by default.
    start dockerd env DOCKER_MIN_API_VERSION=1.24 dockerd --config-file "$STATE/engine/daemon.json"
  fi
  await_ready 60 dockerd own_docker info
  import_pause_image
  import_busybox_image
}

# iptables is off, because dockerd would rewrite the chains of another dockerd and would not remove its own.
write_engine_config() {
  local runtime='{}' default=runc
  if ! can_lower_oom_score; then
    write_runc_wrapper
    runtime=$(jq -n --arg path "$STATE/engine/runc-clamped" '{clamped: {path: $path}}')
    default=clamped
  fi
  jq -n --arg dir "$STATE/engine" --arg bridge "$BRIDGE" --arg cgroup "/$CGROUP" --arg default "$default" --argjson runtimes "$runtime" '{
    hosts: ["unix://\($dir)/docker.sock"], "data-root": "\($dir)/data", "exec-root": "\($dir)/exec", pidfile: "\($dir)/docker.pid",
    bridge: $bridge, iptables: false, "ip-forward": false, "cgroup-parent": $cgroup, "exec-opts": ["native.cgroupdriver=cgroupfs"],
    "log-driver": "json-file", runtimes: $runtimes, "default-runtime": $default, "shutdown-timeout": 5
  }' >"$STATE/engine/daemon.json"
}

can_lower_oom_score() { (echo -1 >/proc/self/oom_score_adj) 2>/dev/null; }

# The kubelet requests a negative oom_score_adj, which the kernel rejects without CAP_SYS_RESOURCE.
write_runc_wrapper() {
  cat >"$STATE/engine/runc-clamped" <<'R'
#!/usr/bin/env bash
bundle="" previous=""
for argument in "$@"; do
  [[ $previous == --bundle || $previous == -b ]] && bundle=$argument
  previous=$argument
done
if [[ -n $bundle && -f $bundle/config.json ]]; then
  clamped=$(jq -c 'if (.process.oomScoreAdj // 0) < 0 then .process.oomScoreAdj = 0 else . end' "$bundle/config.json")
  printf '%s' "$clamped" >"$bundle/config.json"
fi
exec runc "$@"
R
  chmod +x "$STATE/engine/runc-clamped"
}

# The image of the container that holds a pod's network namespace. It exits at once on SIGTERM, so that pods stop quickly.
import_pause_image() {
  ! own_docker image inspect slipway-dev/pause >/dev/null 2>&1 || return 0
  local script='["/busybox", "sh", "-c", "trap \"exit 0\" TERM INT; /busybox sleep 2147483647 & wait"]'
  tar -C "$(dirname "$(command -v busybox)")" -c busybox |
    own_docker import -c "ENTRYPOINT $script" - slipway-dev/pause >/dev/null
}

# The examples start FROM busybox. Debian's busybox replaces that image, because the machine may be unable to pull images.
import_busybox_image() {
  ! own_docker image inspect busybox >/dev/null 2>&1 || return 0
  local root=$STATE/engine/busybox applet
  rm -rf "$root" && mkdir -p "$root"/{bin,etc,root,home,var} && mkdir -m 1777 "$root/tmp"
  cp "$(command -v busybox)" "$root/bin/busybox"
  while read -r applet; do
    [[ $applet == busybox ]] || ln -s busybox "$root/bin/$applet"
  done < <(busybox --list)
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n' >"$root/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
  tar -C "$root" --owner=0 --group=0 --numeric-owner -c . | own_docker import -c 'CMD ["sh"]' - busybox:latest >/dev/null
  rm -rf "$root"
}

down_engine() {
  local pid
  if is_running dockerd; then own_docker ps -aq 2>/dev/null | xargs -r env DOCKER_HOST="unix://$ENGINE_SOCKET" docker rm -fv >/dev/null 2>&1 || true; fi
  stop dockerd 20
  for pid in $(engine_leftovers); do end_process "$pid" 5; done
  kill_cgroups
}
