# shellcheck shell=bash
# Images for the demo in the cluster, built from this machine's packages because images may be impossible to pull: Debian with git and
# tini, slipway on top of it, and a registry.

DEBIAN_IMAGE=slipway-dev/debian
REGISTRY_IMAGE=slipway-dev/registry

# Debian in this machine's release, because the binary is linked against its libraries.
ensure_debian_image() {
  ! dev_docker image inspect "$DEBIAN_IMAGE" >/dev/null 2>&1 || return 0
  local release archive
  release=$(debian_release)
  archive=$CACHE/debian-$release.tar
  if [[ ! -f $archive ]]; then
    ensure_packages debootstrap:debootstrap
    say "creating a Debian base image"
    local root
    root=$(mktemp -d)
    debootstrap --variant=minbase --include=ca-certificates,git,tini "$release" "$root" "$(debian_mirror)" >"$STATE/log/debootstrap.log" 2>&1 ||
      { tail -n 5 "$STATE/log/debootstrap.log" >&2; die "debootstrap failed: see $STATE/log/debootstrap.log"; }
    rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
    tar -C "$root" --numeric-owner -c . >"$archive.part"
    mv "$archive.part" "$archive"
    rm -rf --one-file-system "$root"
  fi
  dev_docker import "$archive" "$DEBIAN_IMAGE" >/dev/null
}

debian_release() { (. /etc/os-release && printf '%s' "$VERSION_CODENAME"); }

# The mirror in this machine's apt sources.
debian_mirror() {
  local file
  for file in /etc/apt/sources.list.d/*.sources /etc/apt/sources.list; do
    [[ -f $file ]] && awk '$1 == "URIs:" {print $2; exit} $1 == "deb" {for (i = 2; i <= NF; i++) if ($i ~ /^http/) {print $i; exit}}' "$file"
  done | head -n 1
}

ensure_registry_image() {
  local dir
  dir=$(mktemp -d)
  cp "$(command -v docker-registry)" "$dir/registry"
  cat >"$dir/config.yml" <<'Y'
version: 0.1
log: {level: warn, accesslog: {disabled: false}}
storage: {filesystem: {rootdirectory: /var/lib/registry}}
http: {addr: ":5000"}
Y
  printf 'FROM %s\nCOPY registry /usr/bin/registry\nCOPY config.yml /etc/registry.yml\nENTRYPOINT ["registry", "serve", "/etc/registry.yml"]\n' \
    "$DEBIAN_IMAGE" >"$dir/Dockerfile"
  quietly docker_build -t "$REGISTRY_IMAGE" "$dir"
  rm -rf "$dir"
}

# build_slipway_image PROGRAM IMAGE: builds the Dockerfile's last stages with an existing binary. The first stage is cut out,
# because the classic builder would build it regardless, and pull its base image.
build_slipway_image() {
  local dir
  dir=$(mktemp -d)
  cp "$1" "$dir/slipway"
  mkdir "$dir/keys"
  sed -n '/^ARG BINARY_FROM/p; /^ARG RUNTIME_IMAGE/p; /AS binary$/,$p' "$ROOT/Dockerfile" >"$dir/Dockerfile"
  sed -i 's/^FROM .* AS binary$/FROM scratch AS binary\nCOPY slipway \/slipway/' "$dir/Dockerfile"
  quietly docker_build -t "$2" --build-arg RUNTIME_IMAGE="$DEBIAN_IMAGE" "$dir"
  rm -rf "$dir"
}

# Hides docker's output, which includes a warning at each build without buildx, unless the build fails.
docker_build() { dev_docker build -q "$@"; }
quietly() { "$@" >"$STATE/log/image.log" 2>&1 || { cat "$STATE/log/image.log" >&2; die "docker could not build an image: see the output above"; }; }

dev_docker() { DOCKER_HOST=$(engine_url) docker "$@"; }
