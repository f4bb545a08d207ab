//! Converts flags to the settings of the modules.

use std::num::NonZeroUsize;
use std::path::Path;

use tokio::sync::Semaphore;

use super::error::ServeError;
use crate::apps::{AppRoleBinding, NamespaceScope};
use crate::chart::RolloutTimes;
use crate::config::{BuildArgs, ChartArgs, PushArgs, ReleaseArgs, ServerArgs, SshArgs, StackArgs};
use crate::deploy::DeploySettings;
use crate::git::ServiceSettings;
use crate::release::RolloutLimits;
use crate::ssh::SshSettings;
use crate::stacks::StackSettings;

/// The namespaces that slipway may use for apps. Its own namespace is never one of them.
pub(super) fn namespace_scope(server: &ServerArgs) -> Result<NamespaceScope, ServeError> {
    if server.namespaces.iter().any(|listed| *listed.as_str() == *server.namespace) {
        let reason = format!("{} is slipway's own namespace: remove it from the list", server.namespace);
        return Err(ServeError::InvalidSetting { flag: "--namespaces", reason });
    }
    Ok(match (server.app_role.clone().zip(server.service_account.clone()), server.namespaces.as_slice()) {
        (Some((role, account)), _) => NamespaceScope::RoleBinding(AppRoleBinding { role, account }),
        (None, []) => NamespaceScope::AllNamespaces,
        (None, listed) => NamespaceScope::AllowList(listed.iter().cloned().collect()),
    })
}

pub(super) fn check_admin_keys(dir: Option<&Path>) -> Result<(), ServeError> {
    match dir {
        Some(dir) if !dir.is_dir() => {
            let reason = format!("{} is not a directory", dir.display());
            Err(ServeError::InvalidSetting { flag: "--admin-keys", reason })
        }
        _ => Ok(()),
    }
}

pub(super) fn deploy_settings(
    push: &PushArgs,
    build: &BuildArgs,
    stacks: StackArgs,
    release: ReleaseArgs,
) -> DeploySettings {
    let ReleaseArgs { templates: _, chart, rollout_limit, history_max, app_url } = release;
    let times = rollout_times(&chart);
    let rollout_limits = RolloutLimits::new(times.rollout_timeout, rollout_limit);
    let (deny_force, lock_wait, build_timeout) = (push.deny_force, push.lock_wait, build.build_timeout);
    let stacks = stack_settings(stacks);
    DeploySettings { deny_force, lock_wait, build_timeout, stacks, times, rollout_limits, history_max, app_url }
}

pub fn stack_settings(stacks: StackArgs) -> StackSettings {
    let StackArgs { stack_images, stack_build_args } = stacks;
    StackSettings::new(stack_images, stack_build_args)
}

pub fn rollout_times(chart: &ChartArgs) -> RolloutTimes {
    let ChartArgs { rollout_timeout, settle_time, endpoint_delay } = *chart;
    RolloutTimes { rollout_timeout, settle_time, endpoint_delay }
}

pub(super) fn git_settings(push: &PushArgs) -> ServiceSettings {
    ServiceSettings { max_pack: push.max_pack.as_u64(), deny_force: push.deny_force }
}

pub(super) fn ssh_settings(ssh: &SshArgs, host_key: russh::keys::PrivateKey) -> SshSettings {
    SshSettings {
        host_key,
        login_grace: ssh.login_grace,
        max_startups: clamp_permits(ssh.max_startups),
        max_connections: clamp_permits(ssh.max_connections),
        max_sessions: clamp_permits(ssh.max_sessions),
        max_auth_tries: clamp_permits(ssh.max_auth_tries),
        keepalive: ssh.keepalive,
    }
}

/// A semaphore panics if it gets more permits than its maximum.
pub(super) fn clamp_permits(limit: NonZeroUsize) -> usize {
    limit.get().min(Semaphore::MAX_PERMITS)
}
