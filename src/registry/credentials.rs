//! The registry's credentials. Passwords are in files that may change while slipway runs.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use oci_distribution::Client;
use oci_distribution::secrets::RegistryAuth;
use tokio::io::AsyncReadExt;

use super::error::RegistryError;

/// The most bytes read of a password file. Tokens have a few thousand characters.
const MAX_PASSWORD_FILE: u64 = 64 << 10;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) username: String,
    /// A password or a token.
    pub(super) password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// A user whose password is in a file. White space at the end of the file is ignored.
#[derive(Debug, Clone)]
pub(crate) struct PasswordFile {
    pub(crate) username: String,
    pub(crate) path: PathBuf,
}

impl PasswordFile {
    async fn read(&self) -> Result<Credentials, RegistryError> {
        let password =
            self.read_password().await.map_err(|error| RegistryError::PasswordFile(self.path.clone(), error))?;
        Ok(Credentials { username: self.username.clone(), password })
    }

    async fn read_password(&self) -> io::Result<String> {
        let mut text = String::new();
        let length = tokio::fs::File::open(&self.path).await?.take(MAX_PASSWORD_FILE).read_to_string(&mut text).await?;
        match text.trim_end() {
            "" => Err(io::Error::new(io::ErrorKind::InvalidData, "the file is empty")),
            _ if length as u64 == MAX_PASSWORD_FILE => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "the file is too large"))
            }
            password => Ok(password.to_owned()),
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct PasswordFiles {
    /// For slipway and the Engine.
    pub(crate) push: Option<PasswordFile>,
    /// For nodes, if they pull as another user.
    pub(crate) pull: Option<PasswordFile>,
}

impl PasswordFiles {
    pub(super) async fn read(&self) -> Result<CredentialSet, RegistryError> {
        let mut credentials = CredentialSet::default();
        if let Some(file) = &self.push {
            credentials.push = Some(file.read().await?);
        }
        if let Some(file) = &self.pull {
            credentials.pull = Some(file.read().await?);
        }
        Ok(credentials)
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CredentialSet {
    pub(super) push: Option<Credentials>,
    pub(super) pull: Option<Credentials>,
}

/// The credentials that were read last, and a client that has never used others: oci-client keeps
/// the first credentials it gets.
pub(super) struct AuthenticatedClient {
    pub(super) credentials: CredentialSet,
    pub(super) oci: Client,
}

impl AuthenticatedClient {
    pub(super) fn auth(&self) -> RegistryAuth {
        self.credentials.push.as_ref().map_or(RegistryAuth::Anonymous, |credentials| {
            RegistryAuth::Basic(credentials.username.clone(), credentials.password.clone())
        })
    }
}

/// The client in use. All clones share it.
#[derive(Clone)]
pub(super) struct SharedClient(Arc<RwLock<Arc<AuthenticatedClient>>>);

impl SharedClient {
    pub(super) fn anonymous(oci: Client) -> Self {
        let client = AuthenticatedClient { credentials: CredentialSet::default(), oci };
        Self(Arc::new(RwLock::new(Arc::new(client))))
    }

    pub(super) fn get(&self) -> Arc<AuthenticatedClient> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn replace(&self, client: AuthenticatedClient) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_of_credentials_has_no_password() {
        let credentials = Credentials { username: "u".into(), password: "canary".into() };
        assert!(!format!("{credentials:?}").contains("canary"));
    }
}
