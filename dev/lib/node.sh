# shellcheck shell=bash
# The node: kubelet and kube-proxy.

NODE=dev

up_node() {
  up_kubelet
  up_proxy
  await_ready 60 kubelet node_is_ready
  await_ready 30 kube-controller-manager own_kubectl get serviceaccount default
}

node_is_ready() { own_kubectl get node "$NODE" | grep -qw Ready; }

# Image garbage collection is off, because it would delete the tests' base images on a full disk. Pulls and events are not throttled
# (0 would mean 5 events a second). dockerd creates the pods' cgroups, because another kubelet on the machine would share the
# kubelet's tree.
up_kubelet() {
  is_running kubelet && return 0
  check_port kubelet "$HOST" "$KUBELET_PORT" SLIPWAY_DEV_KUBELET_PORT
  local dir=$STATE/kubelet
  mkdir -p "$dir"
  start kubelet "$BIN/kubelet" --kubeconfig="$STATE/kubeconfig" --hostname-override="$NODE" --node-ip="$HOST" --address="$HOST" --port="$KUBELET_PORT" \
    --root-dir="$dir" --cert-dir="$dir/pki" --seccomp-profile-root="$dir/seccomp" --volume-plugin-dir="$dir/volume-plugins" \
    --experimental-dockershim-root-directory="$STATE/dockershim" --container-runtime-endpoint="unix://$dir/dockershim.sock" \
    --docker-endpoint="unix://$ENGINE_SOCKET" --docker="unix://$ENGINE_SOCKET" --cni-cache-dir="$dir/cni" --healthz-port=0 \
    --pod-infra-container-image=slipway-dev/pause --cgroup-driver=cgroupfs --cgroups-per-qos=false --enforce-node-allocatable= \
    --fail-swap-on=false --eviction-hard= --image-gc-high-threshold=100 --registry-qps=0 --event-qps=200 --event-burst=400 --max-pods=250 \
    --kube-api-qps=100 --kube-api-burst=200 --cluster-dns=10.96.0.10 --resolv-conf=/etc/resolv.conf --sync-frequency=10s
}

# Traffic to Services is masqueraded, so that responses between pods on the same bridge return through this machine.
up_proxy() {
  is_running kube-proxy && return 0
  check_no_other_kube_proxy
  start kube-proxy "$BIN/kube-proxy" --kubeconfig="$STATE/kubeconfig" --hostname-override="$NODE" --proxy-mode=iptables --masquerade-all \
    --healthz-bind-address= --metrics-bind-address= --conntrack-max-per-core=0 --cluster-cidr="$SUBNET"
}

# Stops the kubelet first, because it would restart its containers. Also removes the pods' logs, which are outside the state
# directory.
down_node() {
  local uid
  stop kubelet
  stop kube-proxy
  if is_running dockerd; then
    for uid in $(own_docker ps -aq 2>/dev/null | xargs -r env DOCKER_HOST="unix://$ENGINE_SOCKET" docker inspect \
      -f '{{index .Config.Labels "io.kubernetes.pod.uid"}}' 2>/dev/null | sort -u); do
      rm -rf /var/log/pods/*_"$uid"
    done
    [[ ! -d /var/log/containers ]] || find /var/log/containers -xtype l -delete
  fi
}
