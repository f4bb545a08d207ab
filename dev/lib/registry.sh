# shellcheck shell=bash
# The registry. Its log has one line for each request with the client's user agent, so that tests can find the kubelet's pulls.

up_registry() {
  mkdir -p "$STATE/registry"
  is_running registry || check_port docker-registry 127.0.0.1 "$REGISTRY_PORT" SLIPWAY_DEV_REGISTRY_PORT
  is_running registry || start_registry
  await_ready 20 registry curl -fsS "http://127.0.0.1:$REGISTRY_PORT/v2/"
}

start_registry() {
  cat >"$STATE/registry.yml" <<Y
version: 0.1
log: {level: warn, accesslog: {disabled: false}}
storage: {filesystem: {rootdirectory: $STATE/registry}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$REGISTRY_PORT"}
Y
  start registry docker-registry serve "$STATE/registry.yml"
}
