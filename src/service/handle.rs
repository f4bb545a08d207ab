//! The service, and who asks it.

use std::net::SocketAddr;
use std::sync::Arc;

use russh::keys::PublicKey;

use super::repository_locks::RepositoryLocks;
use crate::auth::{AppCreationPolicy, Identity};
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
    pub(super) repository_locks: RepositoryLocks,
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
    pub remote: SocketAddr,
}

impl Service {
    pub fn new(parts: ServiceParts) -> Self {
        let ServiceParts { namespace, keys, repositories, deployer, creation, git } = parts;
        Self { namespace, keys, repositories, deployer, creation, git, repository_locks: RepositoryLocks::default() }
    }

    /// The owner of a key whose signature the front door has verified. Does not block.
    pub fn identify(&self, key: &PublicKey) -> Option<Identity> {
        self.keys.identify(key)
    }
}
