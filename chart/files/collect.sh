# Runs the registry's garbage collection when slipway creates the file `collect`, which it does while no push runs. Removes
# the file afterwards, and creates `collect.failed` first if the collection failed. Deletes the data of aborted uploads before,
# because `garbage-collect` keeps it.
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
