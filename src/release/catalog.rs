//! Where the API server keeps each kind: asked of the server once per deploy, one request for each API version.

use std::collections::BTreeMap;
use std::str::FromStr;

use kube::api::DynamicObject;
use kube::core::GroupVersion;
use kube::discovery::{ApiGroup, Scope, oneshot};
use kube::{Api, Client};

use super::call::call;
use super::error::ReleaseError;
use super::plan::ObjectId;
use crate::domain::{AppName, Manifest};

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
    pub async fn find(&mut self, manifest: &Manifest) -> Result<Api<DynamicObject>, ReleaseError> {
        self.ask(manifest.api_version()).await?;
        self.lookup(manifest.api_version(), manifest)
    }

    /// Where an object of a stored manifest lives: the server may have given up the version that it was applied with.
    ///
    /// # Errors
    /// As [`Catalog::find`].
    pub async fn find_stored(&mut self, manifest: &Manifest) -> Result<Api<DynamicObject>, ReleaseError> {
        match self.find(manifest).await {
            Err(ReleaseError::UnknownKind { .. }) => {}
            found => return found,
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

fn unknown(manifest: &Manifest) -> ReleaseError {
    ReleaseError::UnknownKind { api_version: manifest.api_version().to_owned(), kind: manifest.kind().to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{api_server, not_found};

    #[tokio::test]
    async fn a_kind_whose_whole_group_is_gone_is_unknown() {
        let client = api_server(|request| match request.uri().path() {
            "/apis" => (200, json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [] })),
            _ => not_found(),
        });
        let mut catalog = Catalog::new(&client, &"web".parse().unwrap());
        let object = json!({"apiVersion": "gone.example/v1", "kind": "Thing", "metadata": {"name": "x"}});
        let manifest = Manifest { source: String::new(), object };
        let found = catalog.find_stored(&manifest).await.map(|_| ());
        assert!(matches!(&found, Err(ReleaseError::UnknownKind { kind, .. }) if kind == "Thing"), "{found:?}");
    }
}
