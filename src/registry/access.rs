//! As whom slipway asks the registry. The password is in a file that may change while slipway runs.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bollard::auth::DockerCredentials;
use oci_distribution::Client;
use oci_distribution::secrets::RegistryAuth;
use serde_json::json;
use tokio::io::AsyncReadExt;

use super::client::Registry;
use super::error::RegistryError;

/// The most that is read of a password file: tokens have a few thousand characters.
const MAX_FILE: u64 = 64 << 10;

/// Who slipway is at the registry.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub username: String,
    /// The password or token.
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// A user whose password is in a file.
#[derive(Debug, Clone)]
pub struct PasswordFile {
    /// The user's name.
    pub username: String,
    /// The file; white space at its end does not count.
    pub path: PathBuf,
}

impl PasswordFile {
    async fn read(&self) -> Result<Credentials, RegistryError> {
        let password = self.password().await.map_err(|error| RegistryError::Password(self.path.clone(), error))?;
        Ok(Credentials { username: self.username.clone(), password })
    }

    async fn password(&self) -> io::Result<String> {
        let mut text = String::new();
        let read = tokio::fs::File::open(&self.path).await?.take(MAX_FILE).read_to_string(&mut text).await?;
        match text.trim_end() {
            "" => Err(io::Error::new(io::ErrorKind::InvalidData, "it is empty")),
            _ if read as u64 == MAX_FILE => Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large")),
            password => Ok(password.to_owned()),
        }
    }
}

/// The credentials of a moment, and a client that was never given others: it would stay with those.
pub(super) struct Access {
    pub(super) credentials: Option<Credentials>,
    pub(super) client: Client,
}

impl Access {
    pub(super) fn auth(&self) -> RegistryAuth {
        self.credentials.as_ref().map_or(RegistryAuth::Anonymous, |credentials| {
            RegistryAuth::Basic(credentials.username.clone(), credentials.password.clone())
        })
    }
}

/// How the registry is accessed just now; the same for all clones.
#[derive(Clone)]
pub(super) struct Current(Arc<RwLock<Arc<Access>>>);

impl Current {
    pub(super) fn new(credentials: Option<Credentials>, client: Client) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(Access { credentials, client }))))
    }

    fn get(&self) -> Arc<Access> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, access: Access) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(access);
    }
}

impl Registry {
    /// Authenticates with the password that is in a file, as it is read now and by [`Registry::reread_password`].
    ///
    /// # Errors
    /// [`RegistryError::Password`] if it cannot be read, or is empty.
    pub async fn with_password_file(mut self, file: PasswordFile) -> Result<Self, RegistryError> {
        self.log_in(file.read().await?)?;
        self.password = Some(file);
        Ok(self)
    }

    /// Has kubelets pull with these credentials: see [`Registry::pull_config`].
    pub fn with_pull_secret(mut self) -> Self {
        self.pull_secret = true;
        self
    }

    /// Reads the password again, and uses it from now on: true if it is another one.
    ///
    /// # Errors
    /// [`RegistryError::Password`] if it cannot be read, or is empty; the one from before then stays.
    pub async fn reread_password(&self) -> Result<bool, RegistryError> {
        let Some(file) = &self.password else { return Ok(false) };
        let credentials = file.read().await?;
        if self.access().credentials.as_ref() == Some(&credentials) {
            return Ok(false);
        }
        self.log_in(credentials)?;
        Ok(true)
    }

    /// Whether the password may change.
    pub fn has_password_file(&self) -> bool {
        self.password.is_some()
    }

    /// Whether kubelets are given credentials.
    pub fn has_pull_secret(&self) -> bool {
        self.pull_secret && self.access().credentials.is_some()
    }

    /// What kubelets need to pull, if slipway has to give it to them: a `.dockerconfigjson`, which holds the password.
    pub fn pull_config(&self) -> Option<String> {
        let access = self.access();
        let Credentials { username, password } = access.credentials.as_ref().filter(|_| self.pull_secret)?;
        let auth = BASE64_STANDARD.encode(format!("{username}:{password}"));
        let entry = json!({ "username": username, "password": password, "auth": auth });
        Some(json!({ "auths": { self.pull.host(): entry } }).to_string())
    }

    pub(super) fn access(&self) -> Arc<Access> {
        self.current.get()
    }

    pub(super) fn log_in(&self, credentials: Credentials) -> Result<(), RegistryError> {
        let client = self.new_client()?;
        self.current.set(Access { credentials: Some(credentials), client });
        Ok(())
    }

    /// What the Engine needs to push.
    pub(super) fn engine_credentials(&self) -> Option<DockerCredentials> {
        self.access().credentials.as_ref().map(|credentials| DockerCredentials {
            username: Some(credentials.username.clone()),
            password: Some(credentials.password.clone()),
            serveraddress: Some(self.push.host().to_owned()),
            ..DockerCredentials::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_printed() {
        let credentials = Credentials { username: "u".into(), password: "canary".into() };
        assert!(!format!("{credentials:?}").contains("canary"));
    }

    #[tokio::test]
    async fn a_password_that_changes_is_used_from_then_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        std::fs::write(&path, "one\n").unwrap();
        let registry = Registry::new("r.example:5000/team", "pull.example/team", &[]).unwrap();
        let file = PasswordFile { username: "u".into(), path: path.clone() };
        let registry = registry.with_password_file(file).await.unwrap();
        assert_eq!((registry.pull_config(), registry.has_pull_secret()), (None, false), "nobody asked for it");
        let registry = registry.with_pull_secret();
        assert!(!registry.reread_password().await.unwrap());

        std::fs::write(&path, "two").unwrap();
        let clone = registry.clone();
        assert!(registry.reread_password().await.unwrap());
        let config: serde_json::Value = serde_json::from_str(&clone.pull_config().unwrap()).unwrap();
        let expected = json!({ "username": "u", "password": "two", "auth": BASE64_STANDARD.encode("u:two") });
        assert_eq!(config, json!({ "auths": { "pull.example": expected } }));
        assert_eq!(clone.engine_credentials().unwrap().password.as_deref(), Some("two"));
    }

    #[tokio::test]
    async fn a_password_file_that_is_gone_or_empty_leaves_the_password() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        let file = || PasswordFile { username: "u".into(), path: path.clone() };
        let registry = || Registry::new("localhost:1", "localhost:1", &[]).unwrap();
        assert!(matches!(registry().with_password_file(file()).await, Err(RegistryError::Password(..))));
        std::fs::write(&path, "one").unwrap();
        let registry = registry().with_password_file(file()).await.unwrap();
        std::fs::write(&path, " \n").unwrap();
        assert!(registry.reread_password().await.unwrap_err().to_string().ends_with("cannot be read"));
        assert_eq!(registry.access().credentials.as_ref().unwrap().password, "one");
    }
}
