//! A gateway with no more rights than the chart gives it.

use std::process::Command;

use super::process::try_run_with;
use super::{Gateway, run, world};

/// What the chart's templates say of rights, in the cluster. What is not in a namespace ends with the value.
pub struct LeastRights {
    objects: String,
}

impl LeastRights {
    /// Gives them to a gateway that is not running yet.
    pub fn of(gateway: &mut Gateway) -> Self {
        let name = gateway.namespace.clone();
        world::kubectl(&["create", "namespace", &name]);
        let mut helm = Command::new("helm");
        helm.args(["template", &name, "chart", "--namespace", &name, "--set", "image.repository=x"]);
        helm.args(["--show-only", "templates/rbac.yaml", "--show-only", "templates/serviceaccount.yaml"]);
        let rights = Self { objects: run(&mut helm).stdout };
        try_run_with(Command::new("kubectl").args(["apply", "-n", &name, "-f", "-"]), &rights.objects).ok();
        let token = world::kubectl(&["create", "token", &name, "-n", &name]);
        let kubeconfig = gateway.path("kubeconfig");
        std::fs::write(&kubeconfig, world::kubeconfig_with_token(token.trim())).unwrap();
        gateway.set(&[
            ("KUBECONFIG", kubeconfig.to_str().unwrap()),
            ("SLIPWAY_APP_ROLE", &format!("{name}-app")),
            ("SLIPWAY_SERVICE_ACCOUNT", &format!("{name}/{name}")),
        ]);
        rights
    }
}

impl Drop for LeastRights {
    fn drop(&mut self) {
        let mut delete = Command::new("kubectl");
        let _ = try_run_with(delete.args(["delete", "--wait=false", "--ignore-not-found", "-f", "-"]), &self.objects);
    }
}
