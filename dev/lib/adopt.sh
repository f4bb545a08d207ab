# shellcheck shell=bash
# Use of an existing development cluster and Docker Engine. Only contexts that are clearly for development are used. The
# context is copied into a separate kubeconfig, so that switching contexts later has no effect.

ADOPTED_REGISTRY=slipway-dev-registry # the container of the registry for kind

# Prints the context to adopt, or nothing. Other current contexts are ignored.
context_to_adopt() {
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

# check_context CONTEXT: whether the Engine and the API server answer
check_context() {
  if ! docker info >/dev/null 2>&1; then
    warn "context $1: no Docker Engine answers: check DOCKER_HOST"
    return 1
  fi
  if ! kubectl --context "$1" --request-timeout=10s get --raw /readyz >/dev/null 2>&1; then
    warn "context $1: the API server does not answer: check that the cluster runs"
    return 1
  fi
}

adopt() {
  local context=$1
  printf 'adopted %s\n' "$context" >"$STATE/cluster"
  save_kubeconfig "$context"
  if [[ -n ${SLIPWAY_DEV_REGISTRY:-} ]]; then
    write_registry "$SLIPWAY_DEV_REGISTRY" "${SLIPWAY_DEV_REGISTRY_PULL:-$SLIPWAY_DEV_REGISTRY}"
  elif [[ $context == kind-* ]]; then
    adopt_kind_registry "${context#kind-}"
  else
    die "context $context needs a registry that its nodes and this machine can reach: set SLIPWAY_DEV_REGISTRY (the Engine's" \
      "address for it) and, if the nodes use another address, SLIPWAY_DEV_REGISTRY_PULL"
  fi
  curl -fsS -m 10 "http://$(registry_push)/v2/" >/dev/null || die "no registry answers at http://$(registry_push)/v2/"
  say "using the cluster of context $context and the Docker Engine at $(<"$STATE/docker-host")"
}

# Saves the kubeconfig only once, because KUBECONFIG may already refer to the copy when `up` runs again.
save_kubeconfig() {
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

# The Engine that the docker command uses, from DOCKER_HOST or the docker context.
docker_host() { printf '%s\n' "${DOCKER_HOST:-$(docker context inspect -f '{{.Endpoints.docker.Host}}' 2>/dev/null || echo unix:///var/run/docker.sock)}"; }

# kind's documented setup of a local registry: a container on kind's network, which each node reaches as localhost:PORT.
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
  is_running registry || start registry docker logs --follow --since 0s "$ADOPTED_REGISTRY"
  write_registry "localhost:$REGISTRY_PORT" "localhost:$REGISTRY_PORT"
  wait_until 30 curl -fsS "http://localhost:$REGISTRY_PORT/v2/" || true # the caller reports it
}

kind_nodes() { docker ps -q --filter "label=io.x-k8s.kind.cluster=$1"; }

# The namespaces that the demo's gateway created since the cluster was adopted: its own and those of its repositories' apps.
# Apps of other gateways have the same label and are kept.
namespaces_of_gateway() {
  local repository app
  {
    for repository in "$STATE"/data/repos/*.git; do
      [[ -d $repository ]] || continue # the pattern matched nothing
      app=$(basename "$repository" .git)
      dev_kubectl get namespace -o name --selector "slipway.dev/app=$app"
    done
    dev_kubectl get namespace slipway -o name --ignore-not-found
  } | grep -vxFf "$STATE/namespaces-before" || true
}

clean_adopted() {
  local context=$1 node name
  export DOCKER_HOST
  DOCKER_HOST=$(<"$STATE/docker-host")
  say "removing slipway's namespaces from context $context"
  for name in $(namespaces_of_gateway); do
    dev_kubectl delete "$name" --timeout=120s >/dev/null || warn "could not delete $name: delete it with kubectl"
  done
  stop registry
  if docker container inspect "$ADOPTED_REGISTRY" >/dev/null 2>&1; then
    docker rm -fv "$ADOPTED_REGISTRY" >/dev/null
    for node in $(kind_nodes "${context#kind-}"); do docker exec "$node" rm -rf "/etc/containerd/certs.d/localhost:$REGISTRY_PORT"; done
  fi
}
