# shellcheck shell=bash
# What both demos do: a slipway that is built, and examples/hello pushed to it.

HELLO=$STATE/hello
ADOPTED_HELLO_PORT=${SLIPWAY_DEV_HELLO_PORT:-18080}

# Prints the path of the program. Only that goes to standard output.
slipway_program() {
  if [[ -n ${SLIPWAY_DEV_PROGRAM:-} ]]; then
    realpath "$SLIPWAY_DEV_PROGRAM"
    return
  fi
  have cargo || die "cargo is missing: slipway needs a Rust toolchain (https://rustup.rs)"
  need "${BUILD_PACKAGES[@]}" "${CLIENT_PACKAGES[@]}" >&2
  say "building slipway (the first time takes about 7 minutes on 2 cores)" >&2
  (cd "$ROOT" && SLIPWAY_COMMIT=$(git rev-parse --short HEAD 2>/dev/null || true) cargo build --release --locked >&2)
  printf '%s/release/slipway\n' "$(cd "$ROOT" && cargo metadata --locked --no-deps --format-version 1 | jq -r .target_directory)"
}

# A repository as a user has it, with no setting of this machine's git in it.
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

# On a cluster of our own this machine is the node, so Services answer here; elsewhere a port is forwarded.
hello_url() {
  if [[ $(cluster_kind) == own ]]; then
    printf 'http://%s\n' "$(dev_kubectl --namespace hello get service hello -o jsonpath='{.spec.clusterIP}')"
  else
    stop hello
    start hello kubectl --kubeconfig "$STATE/kubeconfig" --namespace hello port-forward --address 127.0.0.1 service/hello "$ADOPTED_HELLO_PORT:80"
    printf 'http://127.0.0.1:%s\n' "$ADOPTED_HELLO_PORT"
  fi
}

# ask URL: prints the status, then the body
ask() {
  until_true 20 curl -fsS -m 5 "$1" || true
  curl -sS -m 5 -w '\n%{http_code}' "$1" | awk '{line[NR] = $0} END {print line[NR]; for (i = 1; i < NR; i++) if (line[i] != "") print line[i]}'
}
