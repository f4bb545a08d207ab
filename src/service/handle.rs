//! The service, and who asks it.

use std::net::SocketAddr;
use std::sync::Arc;

use russh::keys::PublicKey;

use super::repository_locks::RepositoryLocks;
use crate::auth::{AccessDenied, AppCreationPolicy, Identity};
use crate::deploy::Deployer;
use crate::git::{Repositories, ServiceSettings};
use crate::keys::KeyStore;

/// All functions that a user can ask for. There is one for the whole process, whatever the number of front doors.
pub struct Service {
    /// slipway's own namespace, which cannot be an app.
    pub(super) namespace: String,
    pub(super) keys: KeyStore,
    pub(super) repositories: Repositories,
    pub(super) deployer: Arc<Deployer>,
    pub(super) creation: AppCreationPolicy,
    pub(super) git: ServiceSettings,
    pub(super) repository_locks: Arc<RepositoryLocks>,
}

/// The parts of a [`Service`].
pub struct ServiceParts {
    /// slipway's own namespace.
    pub namespace: String,
    pub keys: KeyStore,
    pub repositories: Repositories,
    pub deployer: Arc<Deployer>,
    pub creation: AppCreationPolicy,
    pub git: ServiceSettings,
}

/// The client of a front door, as authentication has identified it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub identity: Identity,
    /// The key that signed; `None` where a front door authenticates its clients in another way.
    pub key: Option<PublicKey>,
    pub remote: SocketAddr,
}

impl Service {
    pub fn new(parts: ServiceParts) -> Self {
        let ServiceParts { namespace, keys, repositories, deployer, creation, git } = parts;
        Self { namespace, keys, repositories, deployer, creation, git, repository_locks: Arc::default() }
    }

    /// The owner of a key whose signature the front door has verified. Does not block.
    pub fn identify(&self, key: &PublicKey) -> Option<Identity> {
        self.keys.identify(key)
    }

    /// Checks that the caller's key is still valid. A client decides how long a command waits for its input, and its key
    /// may be removed in the meantime.
    pub(super) fn check_key(&self, caller: &Caller) -> Result<(), AccessDenied> {
        let Some(key) = &caller.key else { return Ok(()) };
        let is_valid = self.identify(key).is_some_and(|now| caller.identity.is_still(&now));
        if is_valid { Ok(()) } else { Err(AccessDenied::KeyRevoked(caller.identity.user.clone())) }
    }
}
