//! The version of the cluster, which the rendering of the app chart depends on.

use crate::apps::AppsError;
use crate::domain::KubeVersion;
use crate::k8s;

use super::deployer::Deployer;
use super::error::DeployError;

impl Deployer {
    /// The version of the API server. An upgrade of the cluster is noticed at the gateway's next start; until then, fields
    /// that are new are not used.
    pub(super) async fn kube_version(&self) -> Result<KubeVersion, DeployError> {
        let version = self.server_version.get_or_try_init(|| k8s::server_version(&self.cluster)).await;
        Ok(version.copied().map_err(AppsError::from)?)
    }
}
