# Restarts the cache until slipway's registry is reachable: both start at the same time, and the cache exits if it cannot
# reach the registry. This loop is faster than the kubelet, which waits longer after each restart.
trap 'kill $!; wait; exit 0' TERM INT
while :; do
  registry serve /etc/registry/cache.yml &
  wait $!
  sleep 1 &
  wait $!
done
