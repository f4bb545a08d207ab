//! Where the API server keeps each kind, and in which version: asked of the server once per deploy, one request for each
//! API version.

use std::collections::BTreeMap;
use std::str::FromStr;

use kube::api::DynamicObject;
use kube::core::GroupVersion;
use kube::discovery::{ApiGroup, Scope, oneshot};
use kube::{Api, Client};

use super::error::ReleaseError;
use super::plan::ObjectId;
use crate::clusters::call;
use crate::domain::{AppName, Manifest};

/// Kinds that were taken from one version of their group to the next with the fields that they had, and between which
/// servers differ. A manifest in one of these versions is applied in whichever the server has.
const SAME: [(&str, &str, [&str; 2]); 3] = [
    ("autoscaling", "HorizontalPodAutoscaler", ["v2", "v2beta2"]),
    ("batch", "CronJob", ["v1", "v1beta1"]),
    ("policy", "PodDisruptionBudget", ["v1", "v1beta1"]),
];

/// Where an object is applied.
pub struct Place {
    /// Its kind's collection in the app's namespace.
    pub objects: Api<DynamicObject>,
    /// The version in which the server takes it.
    pub api_version: String,
}

/// The API versions that were asked for.
pub struct Catalog {
    client: Client,
    app: AppName,
    versions: BTreeMap<String, ApiGroup>,
}

impl Catalog {
    /// An empty catalog for an app's namespace.
    pub fn new(client: &Client, app: &AppName) -> Self {
        Self { client: client.clone(), app: app.clone(), versions: BTreeMap::new() }
    }

    /// Where an object of the chart lives.
    ///
    /// # Errors
    /// [`ReleaseError::UnknownKind`], [`ReleaseError::ClusterWide`], [`ReleaseError::Api`].
    pub async fn find(&mut self, manifest: &Manifest) -> Result<Place, ReleaseError> {
        let mut result = Err(unknown(manifest));
        for api_version in equal_versions(manifest) {
            self.ask(&api_version).await?;
            result = self.lookup(&api_version, manifest).map(|objects| Place { objects, api_version });
            if !matches!(result, Err(ReleaseError::UnknownKind { .. })) {
                break;
            }
        }
        result
    }

    /// Puts each manifest into the version in which the server takes it.
    ///
    /// # Errors
    /// As [`Catalog::find`].
    pub async fn fit(&mut self, manifests: &mut [Manifest]) -> Result<(), ReleaseError> {
        for manifest in manifests.iter_mut().filter(|manifest| equal_versions(manifest).len() > 1) {
            let api_version = self.find(manifest).await?.api_version;
            if let Some(object) = manifest.object.as_object_mut() {
                object.insert("apiVersion".to_owned(), api_version.into());
            }
        }
        Ok(())
    }

    /// Where an object of a stored manifest lives: the server may have given up the version that it was applied with.
    ///
    /// # Errors
    /// As [`Catalog::find`].
    pub async fn find_stored(&mut self, manifest: &Manifest) -> Result<Api<DynamicObject>, ReleaseError> {
        match self.find(manifest).await {
            Err(ReleaseError::UnknownKind { .. }) => {}
            found => return found.map(|place| place.objects),
        }
        let name = ObjectId::of(manifest).group;
        let group = match call("reading the server's API groups", || oneshot::group(&self.client, &name)).await {
            Ok(group) => group,
            Err(error) if error.is_unknown_group() => return Err(unknown(manifest)),
            Err(error) => return Err(error.into()),
        };
        let version = if name.is_empty() {
            group.preferred_version_or_latest().to_owned()
        } else {
            format!("{name}/{}", group.preferred_version_or_latest())
        };
        self.ask(&version).await?;
        self.lookup(&version, manifest)
    }

    async fn ask(&mut self, api_version: &str) -> Result<(), ReleaseError> {
        if self.versions.contains_key(api_version) {
            return Ok(());
        }
        let Ok(version) = GroupVersion::from_str(api_version) else { return Ok(()) };
        let doing = format!("reading the kinds of {api_version}");
        match call(doing, || oneshot::pinned_group(&self.client, &version)).await {
            Ok(group) => {
                self.versions.insert(api_version.to_owned(), group);
                Ok(())
            }
            Err(error) if error.is_not_found() || error.is_unknown_group() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn lookup(&self, api_version: &str, manifest: &Manifest) -> Result<Api<DynamicObject>, ReleaseError> {
        let kind = self.versions.get(api_version).and_then(|group| group.recommended_kind(manifest.kind()));
        let (resource, capabilities) = kind.ok_or_else(|| unknown(manifest))?;
        if capabilities.scope != Scope::Namespaced {
            return Err(ReleaseError::ClusterWide { object: ObjectId::of(manifest).to_string() });
        }
        Ok(Api::namespaced_with(self.client.clone(), self.app.as_str(), &resource))
    }
}

/// The version of a manifest, and those that are as good.
fn equal_versions(manifest: &Manifest) -> Vec<String> {
    let ObjectId { group, kind, .. } = ObjectId::of(manifest);
    let own = manifest.api_version().to_owned();
    let same = SAME.iter().filter(|(its_group, its_kind, _)| *its_group == group && *its_kind == kind);
    let same: Vec<_> = same.flat_map(|(_, _, versions)| versions.map(|version| format!("{group}/{version}"))).collect();
    let others: Vec<_> = same.iter().filter(|version| **version != own).cloned().collect();
    // Of a kind's other versions nothing is known.
    if same.contains(&own) { [vec![own], others].concat() } else { vec![own] }
}

fn unknown(manifest: &Manifest) -> ReleaseError {
    ReleaseError::UnknownKind { api_version: manifest.api_version().to_owned(), kind: manifest.kind().to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{api_server, not_found};

    fn manifest(api_version: &str, kind: &str) -> Manifest {
        let object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}});
        Manifest { source: String::new(), object }
    }

    #[test]
    fn only_versions_with_the_same_fields_stand_for_each_other() {
        let equal = |api_version: &str, kind: &str| equal_versions(&manifest(api_version, kind));
        assert_eq!(equal("policy/v1", "PodDisruptionBudget"), ["policy/v1", "policy/v1beta1"]);
        assert_eq!(equal("batch/v1beta1", "CronJob"), ["batch/v1beta1", "batch/v1"]);
        assert_eq!(equal("autoscaling/v1", "HorizontalPodAutoscaler"), ["autoscaling/v1"]);
        assert_eq!(equal("batch/v1", "Job"), ["batch/v1"]);
    }

    #[tokio::test]
    async fn a_manifest_is_put_into_the_version_that_the_server_has() {
        let client = api_server(|request| match request.uri().path() {
            "/apis/policy/v1beta1" => {
                let resource = json!({"name": "poddisruptionbudgets", "singularName": "", "namespaced": true,
                                      "kind": "PodDisruptionBudget", "verbs": ["get", "patch"]});
                (200, json!({"kind": "APIResourceList", "groupVersion": "policy/v1beta1", "resources": [resource]}))
            }
            _ => not_found(),
        });
        let mut manifests = [manifest("policy/v1", "PodDisruptionBudget"), manifest("v1", "Service")];
        Catalog::new(&client, &"web".parse().unwrap()).fit(&mut manifests).await.unwrap();
        assert_eq!(manifests.map(|manifest| manifest.api_version().to_owned()), ["policy/v1beta1", "v1"]);
    }

    #[tokio::test]
    async fn a_kind_whose_whole_group_is_gone_is_unknown() {
        let client = api_server(|request| match request.uri().path() {
            "/apis" => (200, json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [] })),
            _ => not_found(),
        });
        let mut catalog = Catalog::new(&client, &"web".parse().unwrap());
        let found = catalog.find_stored(&manifest("gone.example/v1", "Thing")).await.map(|_| ());
        assert!(matches!(&found, Err(ReleaseError::UnknownKind { kind, .. }) if kind == "Thing"), "{found:?}");
    }
}
