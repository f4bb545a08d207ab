//! Authenticates slipway, the Engine and kubelets at the registry.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bollard::auth::DockerCredentials;
use serde_json::json;

use super::client::Registry;
use super::credentials::{AuthenticatedClient, Credentials, PasswordFiles};
use super::error::RegistryError;

impl Registry {
    /// Authenticates with the passwords in these files. [`Registry::reload_passwords`] reads them again.
    ///
    /// # Errors
    /// [`RegistryError::PasswordFile`] if a file is empty or cannot be read.
    pub(crate) async fn with_passwords(mut self, files: PasswordFiles) -> Result<Self, RegistryError> {
        self.password_files = files;
        self.reload_passwords().await?;
        Ok(self)
    }

    /// Provides kubelets with a pull secret: see [`Registry::pull_config`].
    pub(crate) fn with_pull_secret(mut self) -> Self {
        self.pull_secret = true;
        self
    }

    /// Reads the password files again and uses the new passwords from now on. Returns whether a password changed.
    ///
    /// # Errors
    /// [`RegistryError::PasswordFile`] if a file is empty or cannot be read; the former passwords then stay in use.
    pub(crate) async fn reload_passwords(&self) -> Result<bool, RegistryError> {
        let credentials = self.password_files.read().await?;
        if self.client().credentials == credentials {
            return Ok(false);
        }
        self.shared_client.replace(AuthenticatedClient { credentials, oci: self.new_oci_client()? });
        Ok(true)
    }

    pub(crate) fn has_passwords(&self) -> bool {
        self.password_files.push.is_some() || self.password_files.pull.is_some()
    }

    pub(crate) fn has_pull_secret(&self) -> bool {
        self.pull_secret && self.has_passwords()
    }

    /// The `.dockerconfigjson` with which kubelets pull, if slipway has to provide one. It holds the password.
    pub(crate) fn pull_config(&self) -> Option<String> {
        let client = self.client();
        let credentials = client.credentials.pull.as_ref().or(client.credentials.push.as_ref());
        let Credentials { username, password } = credentials.filter(|_| self.pull_secret)?;
        let auth = BASE64_STANDARD.encode(format!("{username}:{password}"));
        let entry = json!({ "username": username, "password": password, "auth": auth });
        Some(json!({ "auths": { self.pull.host(): entry } }).to_string())
    }

    pub(super) fn client(&self) -> Arc<AuthenticatedClient> {
        self.shared_client.get()
    }

    /// The credentials with which the Engine pushes.
    pub(super) fn engine_credentials(&self) -> Option<DockerCredentials> {
        self.client().credentials.push.as_ref().map(|credentials| DockerCredentials {
            username: Some(credentials.username.clone()),
            password: Some(credentials.password.clone()),
            serveraddress: Some(self.push.host().to_owned()),
            ..DockerCredentials::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::credentials::PasswordFile;
    use super::*;

    #[tokio::test]
    async fn a_changed_password_is_used_after_the_next_reload() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        std::fs::write(&path, "one\n").unwrap();
        let registry = Registry::new("r.example:5000/team", "pull.example/team", &[]).unwrap();
        let push = Some(PasswordFile { username: "u".into(), path: path.clone() });
        let registry = registry.with_passwords(PasswordFiles { push, pull: None }).await.unwrap();
        assert_eq!((registry.pull_config(), registry.has_pull_secret()), (None, false), "no pull secret was requested");
        let registry = registry.with_pull_secret();
        assert!(!registry.reload_passwords().await.unwrap());

        std::fs::write(&path, "two").unwrap();
        let clone = registry.clone();
        assert!(registry.reload_passwords().await.unwrap());
        let config: serde_json::Value = serde_json::from_str(&clone.pull_config().unwrap()).unwrap();
        let expected = json!({ "username": "u", "password": "two", "auth": BASE64_STANDARD.encode("u:two") });
        assert_eq!(config, json!({ "auths": { "pull.example": expected } }));
        assert_eq!(clone.engine_credentials().unwrap().password.as_deref(), Some("two"));
    }

    #[tokio::test]
    async fn nodes_may_pull_as_a_user_that_cannot_push() {
        let dir = tempfile::tempdir().unwrap();
        let file = |username: &str| {
            let path = dir.path().join(username);
            std::fs::write(&path, format!("of {username}")).unwrap();
            Some(PasswordFile { username: username.to_owned(), path })
        };
        let registry = Registry::new("r.example", "r.example", &[]).unwrap().with_pull_secret();
        let files = PasswordFiles { push: file("pusher"), pull: file("puller") };
        let registry = registry.with_passwords(files).await.unwrap();
        let config = registry.pull_config().unwrap();
        assert!(config.contains("of puller") && !config.contains("of pusher"));
        assert_eq!(registry.engine_credentials().unwrap().password.as_deref(), Some("of pusher"));
    }

    #[tokio::test]
    async fn a_missing_or_empty_password_file_leaves_the_former_password_in_use() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        let file = || Some(PasswordFile { username: "u".into(), path: path.clone() });
        let files = || PasswordFiles { push: file(), pull: file() };
        let registry = || Registry::new("localhost:1", "localhost:1", &[]).unwrap();
        assert!(matches!(registry().with_passwords(files()).await, Err(RegistryError::PasswordFile(..))));
        std::fs::write(&path, "one").unwrap();
        let registry = registry().with_passwords(files()).await.unwrap();
        std::fs::write(&path, " \n").unwrap();
        assert!(registry.reload_passwords().await.unwrap_err().to_string().ends_with("cannot be read"));
        assert_eq!(registry.client().credentials.push.as_ref().unwrap().password, "one");
    }
}
