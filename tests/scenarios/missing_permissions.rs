//! The check of slipway's permissions at the start.

use crate::support::{Gateway, environment, kubectl, try_run};

#[test]
fn missing_permissions_are_listed_at_the_start() {
    let namespace = environment::unique_name("slipway-test");
    kubectl(&["create", "namespace", &namespace]);
    kubectl(&["create", "serviceaccount", "unprivileged", "-n", &namespace]);
    let token = kubectl(&["create", "token", "unprivileged", "-n", &namespace]);
    let gateway = Gateway::prepared(&[]);
    let path = gateway.path("kubeconfig");
    std::fs::write(&path, kubectl::kubeconfig_with_token(token.trim())).unwrap();
    let mut command = gateway.serve_command();
    command.env("KUBECONFIG", &path).env("SLIPWAY_NAMESPACE", &namespace);
    let output = try_run(&mut command);
    kubectl(&["delete", "namespace", &namespace, "--wait=false"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    output.prints_all(&[
        &format!("list configmaps in namespace {namespace}"),
        "create namespaces in the whole cluster",
        "get pods/log",
    ]);
}
