//! Requests to the registry's HTTP API.

use std::process::Command;

use serde_json::Value;

use super::{App, environment, run};

const ACCEPT: &str = "Accept: application/vnd.docker.distribution.manifest.v2+json, \
                      application/vnd.oci.image.manifest.v1+json";

fn url(app: &App, path: &str) -> String {
    format!("http://{}/v2/{}/{path}", environment::registry_address(), app.name)
}

/// GET of a manifest or a blob in the app's repository.
#[track_caller]
pub fn get(app: &App, path: &str) -> Value {
    let json = run(Command::new("curl").args(["-fsSL", "-H", ACCEPT, &url(app, path)])).stdout;
    serde_json::from_str(&json).unwrap()
}

/// Whether the registry has the app's image with this digest.
#[track_caller]
pub fn has_image(app: &App, digest: &str) -> bool {
    let url = url(app, &format!("manifests/{digest}"));
    let mut head = Command::new("curl");
    run(head.args(["-sI", "-o", "/dev/null", "-w", "%{http_code}", "-H", ACCEPT, &url])).stdout == "200"
}

#[track_caller]
pub fn delete_image(app: &App, digest: &str) {
    let url = url(app, &format!("manifests/{digest}"));
    run(Command::new("curl").args(["-sS", "--fail", "-X", "DELETE", &url]));
}
