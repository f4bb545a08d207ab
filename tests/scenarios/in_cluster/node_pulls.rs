//! Nodes that cannot pull images from slipway's own registry.

use crate::support::{App, Installation};

#[test]
fn a_node_without_its_registry_cache_is_reported_by_the_push() {
    let slipway = Installation::started();
    let cache = format!("{}-cache", slipway.name);
    let set_node_selector = |selector: &str| {
        let patch = format!(r#"{{"spec": {{"template": {{"spec": {{"nodeSelector": {selector}}}}}}}}}"#);
        slipway.kubectl(&["patch", "daemonset", &cache, "--patch", &patch]);
    };
    // no node matches the selector, so that the cache's pods are deleted
    set_node_selector(r#"{"nowhere": "x"}"#);
    let cache_pods = "--selector=app.kubernetes.io/component=cache";
    slipway.kubectl(&["wait", "pod", cache_pods, "--for=delete", "--timeout=1m"]);
    let app = App::web("one");
    slipway
        .push(&app)
        .fails()
        .prints("cannot be pulled")
        .prints("nothing answers at localhost:")
        .prints("registry's cache");

    set_node_selector("null");
    slipway.kubectl(&["rollout", "status", "daemonset", &cache, "--timeout=1m"]);
    slipway.push(&app).ok().prints("Released v2");
    app.shows("one");
}
