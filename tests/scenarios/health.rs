//! `/healthz` and `/readyz`.

use crate::support::Gateway;
use crate::support::tcp_proxy::TcpProxy;

#[test]
fn a_running_gateway_is_healthy_and_becomes_ready() {
    let gateway = Gateway::start();
    assert_eq!(gateway.http_get("/healthz").ok().stdout, "ok\n200");
    gateway.wait_for_readiness("ready", 200);
}

#[test]
fn an_unreachable_dependency_makes_the_gateway_unready_and_not_unhealthy() {
    let engine = TcpProxy::to_engine();
    let dir = tempfile::tempdir().unwrap();
    let (api, kubeconfig) = TcpProxy::to_api_server(dir.path());
    let gateway = Gateway::with(&[("SLIPWAY_ENGINE", &engine.engine_url()), ("KUBECONFIG", &kubeconfig)]);
    gateway.wait_for_readiness("ready", 200);
    engine.cut();
    gateway.wait_for_readiness("the Docker Engine does not answer", 503);
    assert_eq!(gateway.http_get("/healthz").ok().stdout, "ok\n200");
    let metrics = gateway.metrics();
    assert!(metrics.contains("slipway_dependency_up{dependency=\"engine\"} 0"), "{metrics}");
    assert!(metrics.contains("slipway_dependency_up{dependency=\"registry\"} 1"), "{metrics}");
    engine.restore();
    gateway.wait_for_readiness("ready", 200);
    api.cut();
    gateway.wait_for_readiness("the Kubernetes API does not answer", 503);
    api.restore();
    gateway.wait_for_readiness("ready", 200);
}
