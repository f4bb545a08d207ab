//! Errors of stored keys and of the host key.

use std::ffi::OsString;

use russh::keys::ssh_key::Fingerprint;

use super::limits::{MAX_UPLOAD_BYTES, MAX_USER_KEYS};
use super::parse::ParseKeysError;
use crate::domain::{NameError, UserName};
use crate::k8s::ApiError;

/// The message is for the user, the source for the log.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// A read failed before any write.
    #[error("the Kubernetes API cannot be reached; nothing was changed")]
    Unreachable(#[source] Box<ApiError>),
    /// A write got no response, so that it may have taken effect.
    #[error("the Kubernetes API did not confirm the upload; try again (a repeated upload does no harm)")]
    Unconfirmed(#[source] Box<ApiError>),
    #[error("the Kubernetes API refused the request with status {code}; slipway's log has the reason")]
    Refused {
        /// The HTTP status.
        code: u16,
        #[source]
        source: Box<ApiError>,
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
    pub(super) fn from_read(error: ApiError) -> Self {
        Self::from_response(error).unwrap_or_else(Self::Unreachable)
    }

    /// Distinguishes a write that was never sent from one that may have taken effect.
    pub(super) fn from_write(error: ApiError) -> Self {
        Self::from_response(error).unwrap_or_else(|error| match error.is_unsent() {
            true => Self::Unreachable(error),
            false => Self::Unconfirmed(error),
        })
    }

    fn from_response(error: ApiError) -> Result<Self, Box<ApiError>> {
        let source = Box::new(error);
        match source.status() {
            Some(status) => Ok(Self::Refused { code: status.code, source }),
            None => Err(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::PostParams;
    use kube::{Api, Client, Config};

    use super::*;
    use crate::k8s::with_retries;

    #[tokio::test]
    async fn a_write_without_a_connection_is_unreachable_and_not_unconfirmed() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let client = Client::try_from(Config::new(url.parse().unwrap())).unwrap();
        let api = Api::<ConfigMap>::default_namespaced(client);
        let (params, map) = (PostParams::default(), ConfigMap::default());
        let error = with_retries("creating x", || api.create(&params, &map)).await.unwrap_err();
        assert!(matches!(KeysError::from_write(error), KeysError::Unreachable(_)));
    }
}
