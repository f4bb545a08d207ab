//! The clients and settings that all deploys share.

use std::num::NonZeroUsize;
use std::time::Duration;

use kube::Client;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::apps::Apps;
use crate::build::Engine;
use crate::chart::{RolloutTimes, Templates};
use crate::domain::KubeVersion;
use crate::k8s::EventPublisher;
use crate::registry::Registry;
use crate::release::RolloutLimits;
use crate::release::lock::ProcessIdentity;
use crate::stacks::StackSettings;

/// The operator's settings for deploys.
#[derive(Debug, Clone)]
pub struct DeploySettings {
    /// Refuse forced pushes.
    pub deny_force: bool,
    /// How long a deploy with the option `wait` waits for the app's lock.
    pub lock_wait: Duration,
    pub build_timeout: Duration,
    /// For apps without a Dockerfile.
    pub stacks: StackSettings,
    pub times: RolloutTimes,
    pub rollout_limits: RolloutLimits,
    /// How many revisions of an app are kept.
    pub history_max: NonZeroUsize,
    /// The URL of an app, with the placeholders `{app}` and `{cluster_ip}`.
    pub app_url: String,
}

/// Deploys apps. There is one for the whole process.
pub struct Deployer {
    pub cluster: Client,
    /// The version of the API server, read by the first deploy: see [`Deployer::kube_version`].
    pub server_version: OnceCell<KubeVersion>,
    pub events: EventPublisher,
    /// This process, as the holder of locks.
    pub gateway: ProcessIdentity,
    pub engine: Engine,
    pub registry: Registry,
    pub apps: Apps,
    pub templates: Templates,
    pub settings: DeploySettings,
    /// Cancels deploys that have not passed their commit point, when the drain timeout of a shutdown is over.
    pub stop: CancellationToken,
}
