# Collects the registry's garbage when slipway makes a file, which it does while nothing is pushed, and removes the file.
# What an upload left that was broken off goes first: collecting alone leaves it. That it failed is told by another file.
trap 'exit 0' TERM INT
repositories=/var/lib/registry/docker/registry/v2/repositories
while :; do
  if [ -e /run/beside/collect ]; then
    rm -rf "$repositories"/*/_uploads/*
    if [ -d "$repositories" ]; then
      registry garbage-collect /etc/registry/config.yml || : >/run/beside/collect.failed
    fi
    rm -f /run/beside/collect
  fi
  sleep 1 &
  wait $!
done
