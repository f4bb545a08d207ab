//! What slipway may do, looked at when it starts.

use crate::support::{Gateway, try_run, world};

#[test]
fn rights_that_are_missing_are_named_at_the_start() {
    let namespace = world::unique("slipway-test");
    world::kubectl(&["create", "namespace", &namespace]);
    world::kubectl(&["create", "serviceaccount", "nobody", "-n", &namespace]);
    let token = world::kubectl(&["create", "token", "nobody", "-n", &namespace]);
    let gateway = Gateway::prepared(&[]);
    let path = gateway.path("kubeconfig");
    std::fs::write(&path, world::kubeconfig_with_token(token.trim())).unwrap();
    let mut command = gateway.command();
    command.env("KUBECONFIG", &path).env("SLIPWAY_NAMESPACE", &namespace);
    let ended = try_run(&mut command);
    world::kubectl(&["delete", "namespace", &namespace, "--wait=false"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    for right in
        [&format!("list configmaps in namespace {namespace}"), "create namespaces in the whole cluster", "get pods/log"]
    {
        assert!(ended.contains(right), "{right} is not in {ended:?}");
    }
}
