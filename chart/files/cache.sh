# The registry ends if it does not reach the one that it is a cache of, which starts at the same time. Trying again here is
# quicker than the kubelet, which waits longer each time.
trap 'kill $!; wait; exit 0' TERM INT
while :; do
  registry serve /etc/registry/cache.yml &
  wait $!
  sleep 1 &
  wait $!
done
