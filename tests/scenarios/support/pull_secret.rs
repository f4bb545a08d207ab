//! The Secret `slipway-pull`, with which the kubelet pulls an app's image.

use super::test_registry::PASSWORDS;
use super::{App, kubectl, wait_until};

impl App {
    /// The decoded registry configuration in the Secret.
    #[track_caller]
    pub fn pull_config(&self) -> String {
        let template = "go-template={{index .data \".dockerconfigjson\" | base64decode}}";
        kubectl(&["get", "secret", "slipway-pull", "-n", &self.name, "-o", template])
    }

    /// Waits until the Secret has one of [`PASSWORDS`].
    #[track_caller]
    pub fn wait_for_pull_password(&self, index: usize) {
        wait_until("the pull Secret has the password", || {
            let Some(secret) = self.get("secret", "slipway-pull") else { return false };
            assert_eq!(secret["type"], "kubernetes.io/dockerconfigjson");
            self.pull_config().contains(PASSWORDS[index].0)
        });
    }
}
