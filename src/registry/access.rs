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

/// Whose passwords are in files.
#[derive(Debug, Clone, Default)]
pub struct Passwords {
    /// Who pushes: the Engine and slipway.
    pub push: Option<PasswordFile>,
    /// Who pulls, where nodes do so as somebody else.
    pub pull: Option<PasswordFile>,
}

impl Passwords {
    async fn read(&self) -> Result<[Option<Credentials>; 2], RegistryError> {
        let mut read = [None, None];
        for (credentials, file) in read.iter_mut().zip([&self.push, &self.pull]) {
            if let Some(file) = file {
                *credentials = Some(file.read().await?);
            }
        }
        Ok(read)
    }
}

/// The credentials of a moment, and a client that was never given others: it would stay with those.
pub(super) struct Access {
    pub(super) credentials: Option<Credentials>,
    pull: Option<Credentials>,
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
    /// As nobody in particular.
    pub(super) fn new(client: Client) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(Access { credentials: None, pull: None, client }))))
    }

    fn get(&self) -> Arc<Access> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, access: Access) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(access);
    }
}

impl Registry {
    /// Authenticates with the passwords that are in files, as they are read now and by [`Registry::reread_passwords`].
    ///
    /// # Errors
    /// [`RegistryError::Password`] if one cannot be read, or is empty.
    pub async fn with_passwords(mut self, passwords: Passwords) -> Result<Self, RegistryError> {
        self.passwords = passwords;
        self.reread_passwords().await?;
        Ok(self)
    }

    /// Has kubelets pull with a password: see [`Registry::pull_config`].
    pub fn with_pull_secret(mut self) -> Self {
        self.pull_secret = true;
        self
    }

    /// Reads the passwords again, and uses them from now on: true if one is another than before.
    ///
    /// # Errors
    /// [`RegistryError::Password`] if one cannot be read, or is empty; those from before then stay.
    pub async fn reread_passwords(&self) -> Result<bool, RegistryError> {
        let [credentials, pull] = self.passwords.read().await?;
        let access = self.access();
        if access.credentials == credentials && access.pull == pull {
            return Ok(false);
        }
        self.current.set(Access { credentials, pull, client: self.new_client()? });
        Ok(true)
    }

    /// Whether a password may change.
    pub fn has_passwords(&self) -> bool {
        self.passwords.push.is_some() || self.passwords.pull.is_some()
    }

    /// Whether kubelets are given a password.
    pub fn has_pull_secret(&self) -> bool {
        self.pull_secret && self.has_passwords()
    }

    /// What kubelets need to pull, if slipway has to give it to them: a `.dockerconfigjson`, which holds the password.
    pub fn pull_config(&self) -> Option<String> {
        let access = self.access();
        let pull = access.pull.as_ref().or(access.credentials.as_ref());
        let Credentials { username, password } = pull.filter(|_| self.pull_secret)?;
        let auth = BASE64_STANDARD.encode(format!("{username}:{password}"));
        let entry = json!({ "username": username, "password": password, "auth": auth });
        Some(json!({ "auths": { self.pull.host(): entry } }).to_string())
    }

    pub(super) fn access(&self) -> Arc<Access> {
        self.current.get()
    }

    #[cfg(test)]
    pub(super) fn log_in(&self, username: &str, password: &str) {
        let credentials = Credentials { username: username.to_owned(), password: password.to_owned() };
        let client = self.new_client().unwrap();
        self.current.set(Access { credentials: Some(credentials), pull: None, client });
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
        let push = Some(PasswordFile { username: "u".into(), path: path.clone() });
        let registry = registry.with_passwords(Passwords { push, pull: None }).await.unwrap();
        assert_eq!((registry.pull_config(), registry.has_pull_secret()), (None, false), "nobody asked for it");
        let registry = registry.with_pull_secret();
        assert!(!registry.reread_passwords().await.unwrap());

        std::fs::write(&path, "two").unwrap();
        let clone = registry.clone();
        assert!(registry.reread_passwords().await.unwrap());
        let config: serde_json::Value = serde_json::from_str(&clone.pull_config().unwrap()).unwrap();
        let expected = json!({ "username": "u", "password": "two", "auth": BASE64_STANDARD.encode("u:two") });
        assert_eq!(config, json!({ "auths": { "pull.example": expected } }));
        assert_eq!(clone.engine_credentials().unwrap().password.as_deref(), Some("two"));
    }

    #[tokio::test]
    async fn nodes_may_pull_as_somebody_who_cannot_push() {
        let dir = tempfile::tempdir().unwrap();
        let file = |username: &str| {
            let path = dir.path().join(username);
            std::fs::write(&path, format!("of {username}")).unwrap();
            Some(PasswordFile { username: username.to_owned(), path })
        };
        let registry = Registry::new("r.example", "r.example", &[]).unwrap().with_pull_secret();
        let passwords = Passwords { push: file("pusher"), pull: file("puller") };
        let registry = registry.with_passwords(passwords).await.unwrap();
        let config = registry.pull_config().unwrap();
        assert!(config.contains("of puller") && !config.contains("of pusher"));
        assert_eq!(registry.engine_credentials().unwrap().password.as_deref(), Some("of pusher"));
    }

    #[tokio::test]
    async fn a_password_file_that_is_gone_or_empty_leaves_the_password() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("password");
        let file = || Some(PasswordFile { username: "u".into(), path: path.clone() });
        let passwords = || Passwords { push: file(), pull: file() };
        let registry = || Registry::new("localhost:1", "localhost:1", &[]).unwrap();
        assert!(matches!(registry().with_passwords(passwords()).await, Err(RegistryError::Password(..))));
        std::fs::write(&path, "one").unwrap();
        let registry = registry().with_passwords(passwords()).await.unwrap();
        std::fs::write(&path, " \n").unwrap();
        assert!(registry.reread_passwords().await.unwrap_err().to_string().ends_with("cannot be read"));
        assert_eq!(registry.access().credentials.as_ref().unwrap().password, "one");
    }
}
