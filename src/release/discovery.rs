//! API discovery: the collection of each kind, and the versions that the server has. Each API version is requested
//! once.

use std::collections::BTreeMap;
use std::str::FromStr;

use kube::api::DynamicObject;
use kube::core::GroupVersion;
use kube::discovery::{ApiGroup, Scope, oneshot};
use kube::{Api, Client};

use super::object_id::ObjectId;
use crate::domain::{Manifest, Target};
use crate::k8s::{ApiError, with_retries};

/// Kinds that moved between versions of their group without a change of the fields that charts set. A manifest in one
/// of these versions is applied in the version that the server has.
const EQUIVALENT_VERSIONS: [(&str, &str, [&str; 2]); 3] = [
    ("autoscaling", "HorizontalPodAutoscaler", ["v2", "v2beta2"]),
    ("batch", "CronJob", ["v1", "v1beta1"]),
    ("policy", "PodDisruptionBudget", ["v1", "v1beta1"]),
];

/// Why the collection of a kind was not found.
#[derive(Debug, thiserror::Error)]
pub enum DiscoveryError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("this cluster has no kind {kind} in {api_version}")]
    UnknownKind { api_version: String, kind: String },
    #[error("{object} is cluster-scoped; an app can only have objects in its own namespace")]
    ClusterScoped { object: String },
}

/// The collection that an object belongs to.
pub(super) struct ResolvedResource {
    /// The kind's collection in the release's namespace.
    pub api: Api<DynamicObject>,
    /// The API version that the server has: the manifest's own or an equivalent one.
    pub api_version: String,
}

/// A cache of discovery results, for the namespace of one target.
pub struct ApiDiscovery {
    client: Client,
    target: Target,
    versions: BTreeMap<String, ApiGroup>,
}

impl ApiDiscovery {
    /// An empty cache.
    pub fn new(client: &Client, target: &Target) -> Self {
        Self { client: client.clone(), target: target.clone(), versions: BTreeMap::new() }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Finds the collection for an object of the chart.
    ///
    /// # Errors
    /// [`DiscoveryError::UnknownKind`], [`DiscoveryError::ClusterScoped`], [`DiscoveryError::Api`].
    pub(super) async fn resolve(&mut self, manifest: &Manifest) -> Result<ResolvedResource, DiscoveryError> {
        let mut result = Err(unknown_kind(manifest));
        for api_version in equivalent_versions(manifest) {
            self.load_version(&api_version).await?;
            result = self.lookup(&api_version, manifest).map(|api| ResolvedResource { api, api_version });
            if !matches!(result, Err(DiscoveryError::UnknownKind { .. })) {
                break;
            }
        }
        result
    }

    /// Rewrites each manifest to the version that the server has, where an equivalent version exists.
    ///
    /// # Errors
    /// [`DiscoveryError::UnknownKind`], [`DiscoveryError::ClusterScoped`], [`DiscoveryError::Api`].
    pub async fn normalize_versions(&mut self, manifests: &mut [Manifest]) -> Result<(), DiscoveryError> {
        for manifest in manifests.iter_mut().filter(|manifest| equivalent_versions(manifest).len() > 1) {
            let api_version = self.resolve(manifest).await?.api_version;
            if let Some(object) = manifest.object.as_object_mut() {
                object.insert("apiVersion".to_owned(), api_version.into());
            }
        }
        Ok(())
    }

    /// Finds the collection for an object of a stored manifest: in the server's preferred version of the group, if the
    /// server gave up the version in which the object was applied.
    ///
    /// # Errors
    /// As [`ApiDiscovery::resolve`].
    pub(super) async fn resolve_stored(&mut self, manifest: &Manifest) -> Result<ResolvedResource, DiscoveryError> {
        match self.resolve(manifest).await {
            Err(DiscoveryError::UnknownKind { .. }) => {}
            resolved => return resolved,
        }
        let name = ObjectId::from_manifest(manifest).group;
        let group = match with_retries("reading the server's API groups", || oneshot::group(&self.client, &name)).await
        {
            Ok(group) => group,
            Err(error) if error.is_unknown_group() => return Err(unknown_kind(manifest)),
            Err(error) => return Err(error.into()),
        };
        let version = if name.is_empty() {
            group.preferred_version_or_latest().to_owned()
        } else {
            format!("{name}/{}", group.preferred_version_or_latest())
        };
        self.load_version(&version).await?;
        let api = self.lookup(&version, manifest)?;
        Ok(ResolvedResource { api, api_version: version })
    }

    async fn load_version(&mut self, api_version: &str) -> Result<(), DiscoveryError> {
        if self.versions.contains_key(api_version) {
            return Ok(());
        }
        let Ok(version) = GroupVersion::from_str(api_version) else { return Ok(()) };
        let action = format!("reading the kinds of {api_version}");
        match with_retries(action, || oneshot::pinned_group(&self.client, &version)).await {
            Ok(group) => {
                self.versions.insert(api_version.to_owned(), group);
                Ok(())
            }
            Err(error) if error.is_not_found() || error.is_unknown_group() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn lookup(&self, api_version: &str, manifest: &Manifest) -> Result<Api<DynamicObject>, DiscoveryError> {
        let kind = self.versions.get(api_version).and_then(|group| group.recommended_kind(manifest.kind()));
        let (resource, capabilities) = kind.ok_or_else(|| unknown_kind(manifest))?;
        if capabilities.scope != Scope::Namespaced {
            return Err(DiscoveryError::ClusterScoped { object: ObjectId::from_manifest(manifest).to_string() });
        }
        Ok(Api::namespaced_with(self.client.clone(), self.target.namespace.as_str(), &resource))
    }
}

/// The manifest's own version, then the versions with the same fields.
fn equivalent_versions(manifest: &Manifest) -> Vec<String> {
    let ObjectId { group, kind, .. } = ObjectId::from_manifest(manifest);
    let own = manifest.api_version().to_owned();
    let rows = EQUIVALENT_VERSIONS.iter().filter(|(row_group, row_kind, _)| *row_group == group && *row_kind == kind);
    let same: Vec<_> = rows.flat_map(|(_, _, versions)| versions.map(|version| format!("{group}/{version}"))).collect();
    let others: Vec<_> = same.iter().filter(|version| **version != own).cloned().collect();
    // A version that the table lacks (such as autoscaling/v1) has other fields.
    if same.contains(&own) { [vec![own], others].concat() } else { vec![own] }
}

fn unknown_kind(manifest: &Manifest) -> DiscoveryError {
    DiscoveryError::UnknownKind { api_version: manifest.api_version().to_owned(), kind: manifest.kind().to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{fake_api_server, not_found};

    fn manifest(api_version: &str, kind: &str) -> Manifest {
        let object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}});
        Manifest { source: String::new(), object }
    }

    #[test]
    fn only_versions_with_the_same_fields_are_equivalent() {
        let equivalent = |api_version: &str, kind: &str| equivalent_versions(&manifest(api_version, kind));
        assert_eq!(equivalent("policy/v1", "PodDisruptionBudget"), ["policy/v1", "policy/v1beta1"]);
        assert_eq!(equivalent("batch/v1beta1", "CronJob"), ["batch/v1beta1", "batch/v1"]);
        assert_eq!(equivalent("autoscaling/v1", "HorizontalPodAutoscaler"), ["autoscaling/v1"]);
        assert_eq!(equivalent("batch/v1", "Job"), ["batch/v1"]);
    }

    #[tokio::test]
    async fn a_manifest_is_rewritten_to_the_version_that_the_server_has() {
        let client = fake_api_server(|request| match request.uri().path() {
            "/apis/policy/v1beta1" => {
                let resource = json!({"name": "poddisruptionbudgets", "singularName": "", "namespaced": true,
                                      "kind": "PodDisruptionBudget", "verbs": ["get", "patch"]});
                (200, json!({"kind": "APIResourceList", "groupVersion": "policy/v1beta1", "resources": [resource]}))
            }
            _ => not_found(),
        });
        let mut manifests = [manifest("policy/v1", "PodDisruptionBudget"), manifest("v1", "Service")];
        ApiDiscovery::new(&client, &Target::of_app(&"web".parse().unwrap()))
            .normalize_versions(&mut manifests)
            .await
            .unwrap();
        assert_eq!(manifests.map(|manifest| manifest.api_version().to_owned()), ["policy/v1beta1", "v1"]);
    }

    #[tokio::test]
    async fn a_kind_of_a_removed_group_is_unknown() {
        let client = fake_api_server(|request| match request.uri().path() {
            "/apis" => (200, json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [] })),
            _ => not_found(),
        });
        let mut discovery = ApiDiscovery::new(&client, &Target::of_app(&"web".parse().unwrap()));
        let resolved = discovery.resolve_stored(&manifest("gone.example/v1", "Thing")).await.map(|_| ());
        assert!(matches!(&resolved, Err(DiscoveryError::UnknownKind { kind, .. }) if kind == "Thing"), "{resolved:?}");
    }
}
