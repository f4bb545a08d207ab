//! What an operator set, in the words of the rooms.

use std::num::NonZeroUsize;
use std::path::Path;

use tokio::sync::Semaphore;

use super::ServeError;
use crate::apps::{AppRights, Reach};
use crate::config::{BuildArgs, PlaceArgs, PushArgs, ReleaseArgs, SshArgs};
use crate::deploy::DeploySettings;
use crate::ssh::SshSettings;

/// Which namespaces are apps'. slipway's own is none.
pub(super) fn reach(place: &PlaceArgs) -> Result<Reach, ServeError> {
    if place.namespaces.iter().any(|listed| *listed.as_str() == *place.namespace) {
        let reason = format!("{} is slipway's own namespace", place.namespace);
        return Err(ServeError::Setting { flag: "--namespaces", reason });
    }
    Ok(match (place.app_role.clone().zip(place.service_account.clone()), place.namespaces.as_slice()) {
        (Some((role, account)), _) => Reach::Bound(AppRights { role, account }),
        (None, []) => Reach::Cluster,
        (None, listed) => Reach::Listed(listed.iter().cloned().collect()),
    })
}

pub(super) fn check_admin_keys(dir: Option<&Path>) -> Result<(), ServeError> {
    match dir {
        Some(dir) if !dir.is_dir() => {
            Err(ServeError::Setting { flag: "--admin-keys", reason: format!("{} is not a directory", dir.display()) })
        }
        _ => Ok(()),
    }
}

pub(super) fn deploy_settings(push: &PushArgs, build: &BuildArgs, release: ReleaseArgs) -> DeploySettings {
    let ReleaseArgs { templates: _, rollout_timeout, history_max, app_url } = release;
    let (deny_force, lock_wait, build_timeout) = (push.deny_force, push.lock_wait, build.build_timeout);
    DeploySettings { deny_force, lock_wait, build_timeout, rollout_timeout, history_max, app_url }
}

pub(super) fn ssh_settings(ssh: &SshArgs, host_key: russh::keys::PrivateKey) -> SshSettings {
    SshSettings {
        host_key,
        login_grace: ssh.login_grace,
        max_startups: count(ssh.max_startups),
        max_connections: count(ssh.max_connections),
        max_sessions: count(ssh.max_sessions),
        max_auth_tries: count(ssh.max_auth_tries),
        keepalive: ssh.keepalive,
    }
}

/// As much as a semaphore counts, which panics beyond.
pub(super) fn count(number: NonZeroUsize) -> usize {
    number.get().min(Semaphore::MAX_PERMITS)
}
