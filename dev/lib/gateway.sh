# shellcheck shell=bash
# The demo's gateway: creates the admin's key and runs `slipway serve` in the background.

ADMIN_KEY=$STATE/admin
KNOWN_HOSTS=$STATE/known_hosts

make_admin_key() {
  mkdir -p "$STATE/keys"
  [[ -f $ADMIN_KEY ]] || ssh-keygen -q -t ed25519 -N '' -C admin -f "$ADMIN_KEY"
  cp "$ADMIN_KEY.pub" "$STATE/keys/admin.pub"
}

# Ignores the user's ssh configuration, agent and known hosts.
git_ssh_command() {
  printf 'ssh -F /dev/null -i %q -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile=%q' "$ADMIN_KEY" "$KNOWN_HOSTS"
  printf ' -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=accept-new\n'
}

engine_url() { cat "$STATE/docker-host" 2>/dev/null || printf 'unix://%s\n' "$ENGINE_SOCKET"; }

start_gateway() { # PROGRAM
  local settings=(
    KUBECONFIG="$STATE/kubeconfig"
    SLIPWAY_SSH_LISTEN="127.0.0.1:$SSH_PORT" SLIPWAY_HTTP_LISTEN="127.0.0.1:$HTTP_PORT"
    SLIPWAY_DATA_DIR="$STATE/data" SLIPWAY_NAMESPACE=slipway SLIPWAY_IDENTITY=demo SLIPWAY_ADMIN_KEYS="$STATE/keys"
    SLIPWAY_REGISTRY_PUSH="$(registry_push)" SLIPWAY_REGISTRY_PULL="$(registry_pull)" SLIPWAY_ENGINE="$(engine_url)"
  )
  # This machine can reach cluster IPs only if it is the node.
  [[ $(cluster_kind) != own ]] || settings+=(SLIPWAY_APP_URL='http://{cluster_ip}')
  stop gateway 60
  check_port slipway 127.0.0.1 "$SSH_PORT" SLIPWAY_DEV_SSH_PORT
  check_port slipway 127.0.0.1 "$HTTP_PORT" SLIPWAY_DEV_HTTP_PORT
  mkdir -p "$STATE/data"
  start gateway env "${settings[@]}" "$1" serve
  await_ready 60 gateway curl -fsS "http://127.0.0.1:$HTTP_PORT/readyz"
  dev_kubectl --namespace slipway get configmap slipway-known-hosts -o json | jq -r '.data[]' >"$KNOWN_HOSTS"
}

dev_kubectl() { kubectl --kubeconfig "$STATE/kubeconfig" "$@"; }

down_gateway() {
  stop hello
  stop gateway 60
}
