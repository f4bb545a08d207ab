# shellcheck shell=bash
# Base images for tests of apps without a Dockerfile: the stages of dev/stacks/Dockerfile, kept in the cache as one archive.

STACK_PREFIX=slipway-dev/stacks
CERTIFICATES=/etc/ssl/certs/ca-certificates.crt

# STAGE NAME...: the names that generated Dockerfiles use, behind the prefix
STACK_IMAGES=(
  "nginx nginx:1.28"
  "python-slim python:3.11 python:3.11-slim"
  "node node:18"
  "node-slim node:18-slim"
  "golang golang:1.19"
  "debian debian:bookworm-slim"
  "ruby-slim ruby:3.1 ruby:3.1-slim"
  "php-apache php:8.2-apache"
  "composer composer:2"
  "temurin-jre eclipse-temurin:17-jre"
  "maven maven:3-eclipse-temurin-17"
  "packages packages"
)
STACK_IMAGES_HASH=

# The versions in the images are those of Debian 12's packages.
can_create_stack_images() { [[ $(debian_release) == bookworm ]]; }

ensure_stack_images() {
  STACK_IMAGES_HASH=$(stack_images_hash)
  ensure_debian_image
  ! has_stack_images || return 0
  local archive names
  archive=$CACHE/stacks-$STACK_IMAGES_HASH.tar
  if [[ ! -f $archive ]]; then
    say "creating the base images of the stacks from Debian packages (about 5 minutes)"
    build_stack_images
    mapfile -t names < <(stack_image_names)
    dev_docker save -o "$archive.part" "${names[@]}"
    find "$CACHE" -maxdepth 1 -name 'stacks-*.tar' -delete
    mv "$archive.part" "$archive"
  else
    dev_docker load -q -i "$archive" >/dev/null
  fi
}

build_stack_images() {
  local line words name dir
  dir=$(mktemp -d)
  cp -r "$ROOT/dev/stacks/." "$dir"
  cp "$CERTIFICATES" "$dir/ca-certificates.crt"
  for line in "${STACK_IMAGES[@]}"; do
    read -ra words <<<"$line"
    for name in "${words[@]:1}"; do
      quietly docker_build --network host --target "${words[0]}" --build-arg DEBIAN_IMAGE="$DEBIAN_IMAGE" \
        -t "$STACK_PREFIX/$name" "$dir"
    done
  done
  dev_docker tag "$STACK_PREFIX/packages" "$(marker_image)"
  rm -rf "$dir"
}

stack_image_names() {
  local line words
  for line in "${STACK_IMAGES[@]}"; do
    read -ra words <<<"$line"
    printf "$STACK_PREFIX/%s\n" "${words[@]:1}"
  done
  marker_image
}

# A name that images from other files do not have.
marker_image() { printf '%s/packages:%s\n' "$STACK_PREFIX" "$STACK_IMAGES_HASH"; }

has_stack_images() {
  local names
  mapfile -t names < <(stack_image_names)
  dev_docker image inspect "${names[@]}" >/dev/null 2>&1
}

# Other files, or another list of names, make another archive.
stack_images_hash() { { cat "$ROOT"/dev/stacks/Dockerfile "$ROOT"/dev/stacks/packages/* "$CERTIFICATES" && printf '%s\n' "${STACK_IMAGES[@]}"; } | sha256sum | cut -c 1-12; }
