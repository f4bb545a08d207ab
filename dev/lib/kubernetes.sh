# shellcheck shell=bash
# The Kubernetes server programs. Debian does not package them, but has the complete source of 1.20.2.

KUBERNETES_PROGRAMS=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)

build_kubernetes() {
  local program work=$CACHE/build
  for program in "${KUBERNETES_PROGRAMS[@]}"; do [[ -x $BIN/$program ]] || break; done
  [[ ! -x $BIN/$program ]] || return 0
  ensure_packages "${KUBERNETES_BUILD_PACKAGES[@]}"
  say "building Kubernetes $KUBERNETES from Debian's source package (once, about 6 minutes on 2 cores)"
  remove_tree "$work"
  mkdir -p "$work"
  fetch_kubernetes_source "$work"
  compile_kubernetes "$work/kubernetes-$KUBERNETES" || die "the build failed: see $CACHE/build.log"
  rm -rf "$BIN.new" && mkdir -p "$BIN.new"
  for program in "${KUBERNETES_PROGRAMS[@]}"; do
    cp "$work/kubernetes-$KUBERNETES"/_output/local/bin/linux/*/"$program" "$BIN.new/"
  done
  rm -rf "$BIN" && mv "$BIN.new" "$BIN"
  remove_tree "$work"
}

# Makes a directory writable before removing it, because Go's module cache is read-only.
remove_tree() {
  [[ ! -d $1 ]] || chmod -R u+w "$1"
  rm -rf "$1"
}

# Downloads with a separate apt configuration, so that the machine's list of sources does not change.
fetch_kubernetes_source() {
  local work=$1 mirror suite options
  read -r mirror suite < <(apt-cache policy kubernetes-client |
    awk '$2 ~ /^https?:/ && $3 ~ /\/main$/ {sub(/\/main$/, "", $3); print $2, $3; exit}') ||
    die "this machine's apt sources have no kubernetes-client: use Debian 12 to create a cluster"
  mkdir -p "$work/lists/partial"
  printf 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$mirror" "$suite" >"$work/sources.list"
  options=(-o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$work/lists" -o APT::Sandbox::User=root)
  (cd "$work" && apt-get "${options[@]}" update -q && apt-get "${options[@]}" source -q --download-only kubernetes) >"$CACHE/build.log" 2>&1 ||
    die "the source package could not be downloaded: see $CACHE/build.log"
  tar -xzf "$work"/kubernetes_*.orig.tar.gz -C "$work"
  [[ -d $work/kubernetes-$KUBERNETES ]] || die "Debian's source package is not Kubernetes $KUBERNETES: use Debian 12"
}

compile_kubernetes() {
  (cd "$1" && env HOME="$CACHE/build" PATH="/usr/lib/go/bin:$PATH" CGO_ENABLED=0 GOFLAGS='' GO111MODULE='' make GOLDFLAGS='-s -w' \
    WHAT="${KUBERNETES_PROGRAMS[*]/#/cmd/}") >>"$CACHE/build.log" 2>&1 9>&-
}
