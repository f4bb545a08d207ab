//! The permissions that the chart grants, for a gateway that runs outside of the cluster.

use std::process::Command;

use super::process::try_run_with_input;
use super::{Gateway, kubectl, run};

/// The chart's RBAC objects. Cluster-scoped ones are deleted when the value is dropped.
pub struct ChartRbac {
    manifest: String,
}

impl ChartRbac {
    /// Applies the chart's RBAC objects, and gives a gateway that is not running yet a token of their ServiceAccount.
    pub fn grant(gateway: &mut Gateway) -> Self {
        let name = gateway.namespace.clone();
        kubectl(&["create", "namespace", &name]);
        let mut helm = Command::new("helm");
        helm.args(["template", &name, "chart", "--namespace", &name, "--set", "image.repository=x"]);
        helm.args(["--show-only", "templates/rbac.yaml", "--show-only", "templates/serviceaccount.yaml"]);
        let rbac = Self { manifest: run(&mut helm).stdout };
        try_run_with_input(Command::new("kubectl").args(["apply", "-n", &name, "-f", "-"]), &rbac.manifest).ok();
        let token = kubectl(&["create", "token", &name, "-n", &name]);
        let kubeconfig = gateway.path("kubeconfig");
        std::fs::write(&kubeconfig, kubectl::kubeconfig_with_token(token.trim())).unwrap();
        gateway.set(&[
            ("KUBECONFIG", kubeconfig.to_str().unwrap()),
            ("SLIPWAY_APP_ROLE", &format!("{name}-app")),
            ("SLIPWAY_SERVICE_ACCOUNT", &format!("{name}/{name}")),
        ]);
        rbac
    }
}

impl Drop for ChartRbac {
    fn drop(&mut self) {
        let mut delete = Command::new("kubectl");
        delete.args(["delete", "--wait=false", "--ignore-not-found", "-f", "-"]);
        let _ = try_run_with_input(&mut delete, &self.manifest);
    }
}
