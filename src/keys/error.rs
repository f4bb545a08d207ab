//! What can go wrong with keys.

use std::ffi::OsString;

use russh::keys::ssh_key::Fingerprint;

use super::parse::{MAX_UPLOAD, ParseError};
use super::plan::MAX_USER_KEYS;
use crate::domain::{NameError, UserName};

/// Why keys could not be stored or read. The text is for the user, the source for the log.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Reading failed, before anything was written.
    #[error("the Kubernetes API cannot be reached; nothing was changed")]
    Unreachable(#[source] Box<kube::Error>),
    /// Writing ended without an answer.
    #[error("the Kubernetes API stopped answering before it confirmed this; try again (twice does no harm)")]
    Unconfirmed(#[source] Box<kube::Error>),
    /// The API answered with an error.
    #[error("the Kubernetes API refused this with status {code}; slipway's log says why")]
    Refused {
        /// The HTTP status.
        code: u16,
        /// What it said.
        #[source]
        source: Box<kube::Error>,
    },
    /// Others wrote all the time.
    #[error("too many uploads at once; nothing was changed, try again in a moment")]
    Contended,
    /// The key stands under another user, who is not named.
    #[error("the key {0} belongs to somebody else; each user needs a key of their own")]
    OfAnother(Fingerprint),
    /// More keys than a user may have.
    #[error("{0} would have more than {MAX_USER_KEYS} keys; remove some first")]
    TooMany(UserName),
    /// The keys of the first admins can't be read.
    #[error("the admin keys in {file:?} can't be used: {problem}")]
    Seed {
        /// The name of the file or directory.
        file: OsString,
        /// What is wrong with it.
        problem: SeedProblem,
    },
    /// Somebody wrote something else into the Secret of the host key.
    #[error(
        "the Secret {secret} does not hold an Ed25519 private key in the OpenSSH format, without a passphrase, under {field}"
    )]
    HostKey {
        /// The Secret.
        secret: &'static str,
        /// The field in it.
        field: &'static str,
        /// What the parser said.
        #[source]
        source: Option<russh::keys::ssh_key::Error>,
    },
    /// The public address can't stand in a `known_hosts` line.
    #[error("{0:?} is not an address for known_hosts: use HOST or HOST:PORT")]
    Address(String),
}

/// What is wrong with a file of admin keys.
#[derive(Debug, thiserror::Error)]
pub enum SeedProblem {
    /// Not readable.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// Larger than an upload may be.
    #[error("it is larger than {} KiB", MAX_UPLOAD / 1024)]
    TooLarge,
    /// The file's name, without `.pub`, is not a user name.
    #[error("{0}")]
    Name(#[from] NameError),
    /// Its content is not keys.
    #[error("{0}")]
    Keys(#[from] ParseError),
}

impl KeysError {
    /// The error of a request that changes nothing.
    pub(super) fn reading(error: kube::Error) -> Self {
        Self::answered(error).unwrap_or_else(Self::Unreachable)
    }

    /// The error of a request that may have been carried out.
    pub(super) fn writing(error: kube::Error) -> Self {
        Self::answered(error).unwrap_or_else(|error| match is_unsent(&error) {
            true => Self::Unreachable(error),
            false => Self::Unconfirmed(error),
        })
    }

    fn answered(error: kube::Error) -> Result<Self, Box<kube::Error>> {
        let error = Box::new(error);
        match &*error {
            kube::Error::Api(status) => Ok(Self::Refused { code: status.code, source: error }),
            _ => Err(error),
        }
    }
}

/// Whether there was no connection to send the request on.
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
    async fn a_write_that_finds_nobody_changes_nothing_for_sure() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let client = Client::try_from(Config::new(url.parse().unwrap())).unwrap();
        let api = Api::<ConfigMap>::default_namespaced(client);
        let error = api.create(&PostParams::default(), &ConfigMap::default()).await.unwrap_err();
        assert!(matches!(KeysError::writing(error), KeysError::Unreachable(_)));
    }
}
