//! Errors of stored keys and of the host key.

use std::ffi::OsString;

use russh::keys::ssh_key::Fingerprint;

use super::limits::{MAX_UPLOAD_BYTES, MAX_USER_KEYS};
use super::parse::ParseKeysError;
use crate::domain::{NameError, UserName};

/// The message is for the user, the source for the log.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A read failed before any write.
    #[error("the Kubernetes API cannot be reached; nothing was changed")]
    Unreachable(#[source] Box<kube::Error>),
    /// A write got no response, so that it may have taken effect.
    #[error("the Kubernetes API did not confirm the upload; try again (a repeated upload does no harm)")]
    Unconfirmed(#[source] Box<kube::Error>),
    #[error("the Kubernetes API refused the request with status {code}; slipway's log has the reason")]
    Refused {
        /// The HTTP status.
        code: u16,
        #[source]
        source: Box<kube::Error>,
    },
    /// Every attempt conflicted with a concurrent write.
    #[error("too many concurrent uploads; nothing was changed, try again in a moment")]
    Contended,
    /// The message does not name the other user.
    #[error("the key {0} belongs to another user; each user needs a key of their own")]
    KeyOwnedByOther(Fingerprint),
    #[error("{0} would have more than {MAX_USER_KEYS} keys; remove some first")]
    TooManyKeys(UserName),
    #[error("the admin keys in {file:?} cannot be used: {error}")]
    Bootstrap {
        /// The name of the file or directory.
        file: OsString,
        error: BootstrapError,
    },
    #[error(
        "the Secret {secret} does not hold an Ed25519 private key in the OpenSSH format, without a passphrase, under {field}"
    )]
    InvalidHostKey {
        secret: &'static str,
        field: &'static str,
        #[source]
        source: Option<russh::keys::ssh_key::Error>,
    },
    #[error("{0:?} is not an address for known_hosts: use HOST or HOST:PORT")]
    InvalidAddress(String),
}

/// Why a file of admin keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("the file is larger than {} KiB", MAX_UPLOAD_BYTES / 1024)]
    TooLarge,
    /// The file name without `.pub` is not a user name.
    #[error("{0}")]
    Name(#[from] NameError),
    #[error("{0}")]
    Keys(#[from] ParseKeysError),
}

impl KeysError {
    pub(super) fn from_read(error: kube::Error) -> Self {
        Self::from_response(error).unwrap_or_else(Self::Unreachable)
    }

    /// Distinguishes a write that was never sent from one that may have taken effect.
    pub(super) fn from_write(error: kube::Error) -> Self {
        Self::from_response(error).unwrap_or_else(|error| match is_unsent(&error) {
            true => Self::Unreachable(error),
            false => Self::Unconfirmed(error),
        })
    }

    fn from_response(error: kube::Error) -> Result<Self, Box<kube::Error>> {
        let error = Box::new(error);
        match &*error {
            kube::Error::Api(status) => Ok(Self::Refused { code: status.code, source: error }),
            _ => Err(error),
        }
    }
}

/// Whether the connection failed, so that the request was never sent.
fn is_unsent(error: &kube::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(client) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return client.is_connect();
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::PostParams;
    use kube::{Api, Client, Config};

    use super::*;

    #[tokio::test]
    async fn a_write_without_a_connection_is_unreachable_and_not_unconfirmed() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let client = Client::try_from(Config::new(url.parse().unwrap())).unwrap();
        let api = Api::<ConfigMap>::default_namespaced(client);
        let error = api.create(&PostParams::default(), &ConfigMap::default()).await.unwrap_err();
        assert!(matches!(KeysError::from_write(error), KeysError::Unreachable(_)));
    }
}
