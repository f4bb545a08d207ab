# shellcheck shell=bash
# Shared by both demos: builds slipway and pushes examples/hello.

HELLO=$STATE/hello
ADOPTED_HELLO_PORT=${SLIPWAY_DEV_HELLO_PORT:-18080}

# Builds slipway and prints the binary's path, and nothing else, to standard output.
build_slipway() {
  if [[ -n ${SLIPWAY_DEV_PROGRAM:-} ]]; then
    realpath "$SLIPWAY_DEV_PROGRAM"
    return
  fi
  have cargo || die "cargo is missing: install a Rust toolchain (https://rustup.rs)"
  ensure_packages "${BUILD_PACKAGES[@]}" "${CLIENT_PACKAGES[@]}" >&2
  say "building slipway (the first build takes about 7 minutes on 2 cores)" >&2
  (cd "$ROOT" && SLIPWAY_COMMIT=$(git rev-parse --short HEAD 2>/dev/null || true) cargo build --release --locked >&2)
  printf '%s/release/slipway\n' "$(cd "$ROOT" && cargo metadata --locked --no-deps --format-version 1 | jq -r .target_directory)"
}

# Commits examples/hello to a repository, without this machine's git configuration.
commit_hello() {
  mkdir -p "$HELLO"
  [[ -d $HELLO/.git ]] || git_hello init -q -b main
  find "$HELLO" -mindepth 1 -maxdepth 1 ! -name .git -exec rm -r {} +
  cp -r "$ROOT/examples/hello/." "$HELLO/"
  git_hello add -A
  [[ -z $(git_hello status --porcelain) ]] || git_hello commit -q -m "Say hello"
}

git_hello() {
  GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git -C "$HELLO" -c user.name=demo -c user.email=demo@localhost "$@"
}

push_hello() { # PORT
  say "git push ssh://git@127.0.0.1:$1/hello main"
  GIT_SSH_COMMAND=$(git_ssh_command) git_hello push "ssh://git@127.0.0.1:$1/hello" main
}

# The app's URL: its cluster IP if this machine is the node, otherwise a forwarded port.
hello_url() {
  if [[ $(cluster_kind) == own ]]; then
    printf 'http://%s\n' "$(dev_kubectl --namespace hello get service hello -o jsonpath='{.spec.clusterIP}')"
  else
    stop hello
    start hello kubectl --kubeconfig "$STATE/kubeconfig" --namespace hello port-forward --address 127.0.0.1 service/hello "$ADOPTED_HELLO_PORT:80"
    printf 'http://127.0.0.1:%s\n' "$ADOPTED_HELLO_PORT"
  fi
}

# http_get URL: prints the status, then the body
http_get() {
  wait_until 20 curl -fsS -m 5 "$1" || true
  curl -sS -m 5 -w '\n%{http_code}' "$1" | awk '{line[NR] = $0} END {print line[NR]; for (i = 1; i < NR; i++) if (line[i] != "") print line[i]}'
}
