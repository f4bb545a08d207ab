//! `kubectl` with the cluster's admin credentials.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::process::{run, try_run, try_run_with_input};

/// Runs `kubectl ARGUMENTS`, which must succeed, and returns its standard output.
#[track_caller]
pub fn kubectl(arguments: &[&str]) -> String {
    run(Command::new("kubectl").args(arguments)).stdout
}

/// `kubectl get ARGUMENTS -o json`, or `None` if there is no such object.
#[track_caller]
pub fn get(arguments: &[&str]) -> Option<Value> {
    let output = try_run(Command::new("kubectl").arg("get").args(arguments).args(["-o", "json"]));
    if output.code != Some(0) {
        assert!(output.stderr.contains("NotFound"), "{}", output.stderr);
        return None;
    }
    Some(serde_json::from_str(&output.stdout).unwrap())
}

/// The objects that `kubectl get ARGUMENTS` lists.
#[track_caller]
pub fn list(arguments: &[&str]) -> Vec<Value> {
    let list = get(arguments).expect("a list");
    list["items"].as_array().unwrap().clone()
}

#[track_caller]
pub fn apply(manifest: &str) {
    try_run_with_input(Command::new("kubectl").args(["apply", "-f", "-"]), manifest).ok();
}

/// Deletes a cluster-scoped object in the background, if it exists. For `Drop`, which must not panic.
pub fn delete_in_background(kind: &str, name: &str) {
    let _ = Command::new("kubectl")
        .args(["delete", kind, name, "--wait=false", "--ignore-not-found"])
        .stdout(Stdio::null())
        .status();
}

/// The current kubeconfig, as JSON.
pub fn current_config() -> Value {
    let config = kubectl(&["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]);
    serde_json::from_str(&config).unwrap()
}

/// A kubeconfig for the cluster with a token for credentials.
pub fn kubeconfig_with_token(token: &str) -> String {
    let mut config = current_config();
    config["users"][0]["user"] = json!({ "token": token });
    config.to_string()
}
