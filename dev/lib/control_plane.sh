# shellcheck shell=bash
# etcd, kube-apiserver, kube-controller-manager, kube-scheduler.

API=https://$HOST:$API_PORT

own_kubectl() { kubectl --kubeconfig "$STATE/kubeconfig" "$@"; }

up_control_plane() {
  mkdir -p "$STATE"/{etcd,certs}
  up_etcd
  write_credentials
  write_kubeconfig
  up_api_server
  up_controllers
}

up_etcd() {
  if ! is_running etcd; then
    check_port etcd 127.0.0.1 "$ETCD_PORT" SLIPWAY_DEV_ETCD_PORT
    check_port etcd 127.0.0.1 "$ETCD_PEER_PORT" SLIPWAY_DEV_ETCD_PEER_PORT
    local client=http://127.0.0.1:$ETCD_PORT peer=http://127.0.0.1:$ETCD_PEER_PORT
    start etcd etcd --data-dir "$STATE/etcd" --unsafe-no-fsync --listen-client-urls "$client" --advertise-client-urls "$client" \
      --listen-peer-urls "$peer" --initial-advertise-peer-urls "$peer" --initial-cluster "default=$peer"
  fi
  await_ready 30 etcd curl -fsS "http://127.0.0.1:$ETCD_PORT/health"
}

# Creates a certificate authority, the API server's certificate, the key that signs service account tokens, and the admin's token.
write_credentials() {
  local dir=$STATE/certs
  if [[ ! -f $dir/server.crt ]]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=slipway-dev \
      -addext keyUsage=critical,keyCertSign,cRLSign -keyout "$dir/ca.key" -out "$dir/ca.crt"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj /CN=kube-apiserver -CA "$dir/ca.crt" -CAkey "$dir/ca.key" \
      -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=serverAuth \
      -addext "subjectAltName=IP:$HOST,IP:$SERVICES_FIRST,IP:127.0.0.1,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc" \
      -keyout "$dir/server.key" -out "$dir/server.crt"
  fi >"$STATE/log/openssl.log" 2>&1
  [[ -f $dir/accounts.pub ]] || {
    openssl genrsa -out "$dir/accounts.key" 2048
    openssl rsa -in "$dir/accounts.key" -pubout -out "$dir/accounts.pub"
  } >>"$STATE/log/openssl.log" 2>&1
  [[ -f $dir/tokens.csv ]] || printf '%s,admin,admin,"system:masters"\n' "$(openssl rand -hex 16)" >"$dir/tokens.csv"
}

write_kubeconfig() {
  cat >"$STATE/kubeconfig" <<Y
apiVersion: v1
kind: Config
clusters: [{name: slipway-dev, cluster: {server: "$API", certificate-authority-data: $(base64 -w0 "$STATE/certs/ca.crt")}}]
users: [{name: admin, user: {token: $(cut -d, -f1 "$STATE/certs/tokens.csv")}}]
contexts: [{name: slipway-dev, context: {cluster: slipway-dev, user: admin}}]
current-context: slipway-dev
Y
  chmod 600 "$STATE/kubeconfig"
}

up_api_server() {
  local certs=$STATE/certs
  if ! is_running kube-apiserver; then
    check_port kube-apiserver "$HOST" "$API_PORT" SLIPWAY_DEV_API_PORT
    start kube-apiserver "$BIN/kube-apiserver" --etcd-servers="http://127.0.0.1:$ETCD_PORT" --secure-port="$API_PORT" --bind-address="$HOST" \
      --advertise-address="$HOST" --cert-dir="$certs" --tls-cert-file="$certs/server.crt" --tls-private-key-file="$certs/server.key" \
      --service-account-key-file="$certs/accounts.pub" --service-account-signing-key-file="$certs/accounts.key" \
      --service-account-issuer=https://kubernetes.default.svc --token-auth-file="$certs/tokens.csv" --authorization-mode=RBAC \
      --service-cluster-ip-range="$SERVICES_SUBNET" --allow-privileged=true --kubelet-preferred-address-types=InternalIP
  fi
  await_ready 90 kube-apiserver own_kubectl get --raw /readyz
}

# The request limits are high because many tests share the cluster.
up_controllers() {
  local limits=(--kube-api-qps=200 --kube-api-burst=400)
  is_running kube-controller-manager || start kube-controller-manager "$BIN/kube-controller-manager" --kubeconfig="$STATE/kubeconfig" \
    --service-account-private-key-file="$STATE/certs/accounts.key" --root-ca-file="$STATE/certs/ca.crt" --use-service-account-credentials \
    --leader-elect=false --bind-address=127.0.0.1 --port=0 --concurrent-namespace-syncs=20 "${limits[@]}"
  is_running kube-scheduler || start kube-scheduler "$BIN/kube-scheduler" --kubeconfig="$STATE/kubeconfig" \
    --leader-elect=false --bind-address=127.0.0.1 --port=0 "${limits[@]}"
}

# Stops etcd last, because the API server needs it until it has shut down.
down_control_plane() {
  local name
  for name in kube-scheduler kube-controller-manager kube-apiserver etcd; do stop "$name"; done
}
