# shellcheck shell=bash
# A development cluster and a Docker Engine that are there already. Only contexts that are plainly meant for development
# are taken, and the context is copied into a kubeconfig of our own: switching contexts later changes nothing for us.

ADOPTED_REGISTRY=slipway-dev-registry # the container, where we start one

# The context to adopt, or nothing. A stranger's current context is passed over.
wanted_context() {
  [[ ${SLIPWAY_DEV_CLUSTER:-} != own ]] || return 0
  if [[ -n ${SLIPWAY_DEV_CONTEXT:-} ]]; then
    printf '%s\n' "$SLIPWAY_DEV_CONTEXT"
    return 0
  fi
  local current
  current=$(kubectl config current-context 2>/dev/null) || return 0
  case $current in
  kind-* | k3d-* | minikube) printf '%s\n' "$current" ;;
  esac
}

# reachable CONTEXT: says what is missing, if anything
reachable() {
  if ! docker info >/dev/null 2>&1; then
    warn "context $1: no Docker Engine answers"
    return 1
  fi
  if ! kubectl --context "$1" --request-timeout=10s get --raw /readyz >/dev/null 2>&1; then
    warn "context $1: its API server does not answer"
    return 1
  fi
}

adopt() {
  local context=$1
  printf 'adopted %s\n' "$context" >"$STATE/cluster"
  pin "$context"
  if [[ -n ${SLIPWAY_DEV_REGISTRY:-} ]]; then
    write_registry "$SLIPWAY_DEV_REGISTRY" "${SLIPWAY_DEV_REGISTRY_PULL:-$SLIPWAY_DEV_REGISTRY}"
  elif [[ $context == kind-* ]]; then
    adopt_kind_registry "${context#kind-}"
  else
    die "context $context needs a registry that both its nodes and this machine reach:" \
      "set SLIPWAY_DEV_REGISTRY (where the Engine pushes) and, where the nodes call it otherwise, SLIPWAY_DEV_REGISTRY_PULL"
  fi
  curl -fsS -m 10 "http://$(registry_push)/v2/" >/dev/null || die "no registry answers at http://$(registry_push)/v2/"
  say "using the cluster of context $context, and the Docker Engine at $(<"$STATE/docker-host")"
}

# Once: a second `up` may come from a shell in which KUBECONFIG is already our copy.
pin() {
  [[ ! -s $STATE/kubeconfig ]] || return 0
  docker_host >"$STATE/docker-host"
  kubectl --context "$1" get namespace -o name >"$STATE/namespaces-before"
  (umask 077 && kubectl config view --context "$1" --minify --flatten --raw >"$STATE/kubeconfig.new")
  mv "$STATE/kubeconfig.new" "$STATE/kubeconfig"
}

write_registry() {
  printf '%s\n' "$1" >"$STATE/registry-push"
  printf '%s\n' "$2" >"$STATE/registry-pull"
}

registry_push() { cat "$STATE/registry-push" 2>/dev/null || printf 'localhost:%s\n' "$REGISTRY_PORT"; }
registry_pull() { cat "$STATE/registry-pull" 2>/dev/null || printf 'localhost:%s\n' "$REGISTRY_PORT"; }

# The Engine that the docker command talks to, whether through DOCKER_HOST or through a docker context.
docker_host() { printf '%s\n' "${DOCKER_HOST:-$(docker context inspect -f '{{.Endpoints.docker.Host}}' 2>/dev/null || echo unix:///var/run/docker.sock)}"; }

# kind's own recipe for a local registry: a container on kind's network, named on each node as localhost:PORT.
adopt_kind_registry() {
  local node dir="/etc/containerd/certs.d/localhost:$REGISTRY_PORT"
  if ! docker container inspect "$ADOPTED_REGISTRY" >/dev/null 2>&1; then
    docker run -d --name "$ADOPTED_REGISTRY" -p "127.0.0.1:$REGISTRY_PORT:5000" -e REGISTRY_STORAGE_DELETE_ENABLED=true registry:2 >/dev/null ||
      die "could not start a registry on the Docker Engine: set SLIPWAY_DEV_REGISTRY"
    docker network connect kind "$ADOPTED_REGISTRY"
  fi
  for node in $(kind_nodes "$1"); do
    docker exec -i "$node" sh -c "mkdir -p '$dir' && cat >'$dir/hosts.toml'" <<<"[host.\"http://$ADOPTED_REGISTRY:5000\"]"
  done
  running registry || start registry docker logs --follow --since 0s "$ADOPTED_REGISTRY"
  write_registry "localhost:$REGISTRY_PORT" "localhost:$REGISTRY_PORT"
  until_true 30 curl -fsS "http://localhost:$REGISTRY_PORT/v2/" || true # the caller reports it
}

kind_nodes() { docker ps -q --filter "label=io.x-k8s.kind.cluster=$1"; }

# The namespaces that our gateway made since the cluster was adopted: its own and those of the apps it has repositories
# of. Another gateway's apps carry the same label, and stay.
new_namespaces() {
  local repository app
  {
    for repository in "$STATE"/data/repos/*.git; do
      [[ -d $repository ]] || continue # there are none
      app=$(basename "$repository" .git)
      dev_kubectl get namespace -o name --selector "slipway.dev/app=$app"
    done
    dev_kubectl get namespace slipway -o name --ignore-not-found
  } | grep -vxFf "$STATE/namespaces-before" || true
}

leave_adopted() {
  local context=$1 node name
  export DOCKER_HOST
  DOCKER_HOST=$(<"$STATE/docker-host")
  say "removing slipway's namespaces from context $context"
  for name in $(new_namespaces); do
    dev_kubectl delete "$name" --timeout=120s >/dev/null || warn "$name is left"
  done
  stop registry
  if docker container inspect "$ADOPTED_REGISTRY" >/dev/null 2>&1; then
    docker rm -fv "$ADOPTED_REGISTRY" >/dev/null
    for node in $(kind_nodes "${context#kind-}"); do docker exec "$node" rm -rf "/etc/containerd/certs.d/localhost:$REGISTRY_PORT"; done
  fi
}
