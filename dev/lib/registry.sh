# shellcheck shell=bash
# The registry. Its log holds one line per request, with the client's user agent: a pull by the kubelet can be seen there.

up_registry() {
  mkdir -p "$STATE/registry"
  running registry || port_for docker-registry 127.0.0.1 "$REGISTRY_PORT" SLIPWAY_DEV_REGISTRY_PORT
  running registry || start_registry
  await 20 registry curl -fsS "http://127.0.0.1:$REGISTRY_PORT/v2/"
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
