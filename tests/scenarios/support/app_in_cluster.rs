//! An app as it is in the cluster: its objects, its page, its deploy lock.

use std::process::Command;

use serde_json::Value;

use super::background::BackgroundCommand;
use super::process::{run, try_run};
use super::{App, eventually, kubectl, wait_until};

impl App {
    pub fn namespace_exists(&self) -> bool {
        kubectl::get(&["namespace", &self.name]).is_some()
    }

    /// Deletes the app's namespace, and waits until it is gone.
    #[track_caller]
    pub fn delete_namespace(&self) {
        kubectl(&["delete", "namespace", &self.name]);
    }

    /// `kubectl get KIND NAME` in the app's namespace.
    pub fn get(&self, kind: &str, name: &str) -> Option<Value> {
        kubectl::get(&[kind, name, "-n", &self.name])
    }

    #[track_caller]
    pub fn deployment(&self) -> Value {
        self.get("deployment", &self.name).expect("the app's Deployment")
    }

    /// The first container of the Deployment's pod template.
    #[track_caller]
    pub fn container(&self) -> Value {
        self.deployment()["spec"]["template"]["spec"]["containers"][0].clone()
    }

    /// The image of the Deployment.
    #[track_caller]
    pub fn image(&self) -> String {
        self.container()["image"].as_str().unwrap().to_owned()
    }

    pub fn scale(&self, replicas: u32) {
        let replicas = format!("--replicas={replicas}");
        kubectl(&["scale", "deployment", &self.name, &replicas, "-n", &self.name]);
    }

    /// The name of the Secret with a revision's release record.
    pub fn record_name(&self, revision: &str) -> String {
        format!("sh.helm.release.v1.{}.{revision}", self.name)
    }

    /// The response of the app's Service, once there is one.
    #[track_caller]
    pub fn page(&self) -> String {
        let service = self.get("service", &self.name).expect("the app's Service");
        let address = service["spec"]["clusterIP"].as_str().unwrap().to_owned();
        eventually("a response of the app", || {
            let url = format!("http://{address}/");
            let output = try_run(Command::new("curl").args(["-sS", "--fail", "--max-time", "2", &url]));
            (output.code == Some(0)).then_some(output.stdout)
        })
    }

    /// Waits until the app serves this page. For a moment, the Service may still route to the address of an old pod, which
    /// another pod may have by then.
    #[track_caller]
    pub fn shows(&self, page: &str) {
        wait_until(&format!("the page {page:?}"), || self.page().trim() == page.trim());
    }

    /// Waits until the app serves a page that contains this text.
    #[track_caller]
    pub fn shows_text(&self, text: &str) {
        wait_until(&format!("a page with {text:?}"), || self.page().contains(text));
    }

    /// The status code of the response for a path.
    #[track_caller]
    pub fn status(&self, path: &str) -> String {
        let service = self.get("service", &self.name).expect("the app's Service");
        let url = format!("http://{}{path}", service["spec"]["clusterIP"].as_str().unwrap());
        run(Command::new("curl").args(["-sS", "--max-time", "5", "-o", "/dev/null", "-w", "%{http_code}", &url])).stdout
    }

    /// The gateway that holds the app's deploy lock.
    pub fn lock_holder(&self) -> Option<String> {
        let lease = self.get("lease", "slipway-deploy")?;
        lease["spec"]["holderIdentity"].as_str().filter(|holder| !holder.is_empty()).map(str::to_owned)
    }

    /// Waits until no gateway holds the app's deploy lock.
    #[track_caller]
    pub fn wait_unlocked(&self) {
        wait_until("the deploy lock is free", || self.lock_holder().is_none());
    }

    /// Watches the deploy lock, and prints a line `holder=GATEWAY` for each change. Starting kubectl for each poll would take
    /// longer than the second within which some scenarios expect the change.
    pub fn watch_lock(&self) -> BackgroundCommand {
        let columns = "jsonpath=holder={.spec.holderIdentity}{\"\\n\"}";
        let lease = ["get", "lease", "slipway-deploy", "-n", &self.name, "--watch", "-o", columns];
        let watch = BackgroundCommand::start(Command::new("kubectl").args(lease));
        watch.wait_for_output("holder=");
        watch
    }

    /// Creates an object with a finalizer, which keeps the namespace from being deleted.
    pub fn block_namespace_deletion(&self) {
        kubectl::apply(&format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: kept, namespace: {}, finalizers: [example.com/keep]}}\n",
            self.name
        ));
    }

    /// Removes the finalizer.
    pub fn unblock_namespace_deletion(&self) {
        let patch = r#"{"metadata":{"finalizers":null}}"#;
        kubectl(&["patch", "configmap", "kept", "-n", &self.name, "-p", patch]);
    }
}
