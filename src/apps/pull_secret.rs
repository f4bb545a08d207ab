//! The image pull secret of an app. It is not part of the release: a rollback, helm's included, would restore an old
//! password with it.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, Preconditions};
use kube::{Api, ResourceExt};

use super::error::AppsError;
use super::handle::Apps;
use crate::domain::app_spec::GENERATED_SECRET;
use crate::domain::{AppName, labels};
use crate::k8s::with_retries;

/// The Secret's name in each app's namespace. Recorded releases refer to it, so that the name can never change.
pub const PULL_SECRET: &str = "slipway-pull";
/// The field manager; not `helm`, which manages the fields of releases.
pub(super) const MANAGER: &str = "slipway";
pub(super) const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

pub struct PullSecret<'a> {
    /// The host of the registry.
    pub registry: &'a str,
    /// The content of `.dockerconfigjson`.
    pub config: &'a str,
}

impl Apps {
    /// Whether the app has a pull secret for this registry. A pull secret for another registry belongs to another
    /// installation.
    ///
    /// # Errors
    /// [`AppsError`]
    pub async fn has_pull_secret_for(&self, app: &AppName, registry: &str) -> Result<bool, AppsError> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), app.as_str());
        let found = with_retries("reading the pull secret", || secrets.get_metadata_opt(PULL_SECRET)).await?;
        Ok(found
            .is_some_and(|secret| secret.annotations().get(labels::REGISTRY).is_some_and(|value| value == registry)))
    }

    /// Creates or updates the pull secret in the app's namespace.
    ///
    /// # Errors
    /// [`AppsError`]
    pub async fn write_pull_secret(&self, app: &AppName, pull_secret: &PullSecret<'_>) -> Result<(), AppsError> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), app.as_str());
        let (params, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(manifest(pull_secret)));
        let written = with_retries("writing the pull secret", || secrets.patch(PULL_SECRET, &params, &patch)).await;
        Ok(written.map(drop)?)
    }

    /// Deletes the Secrets that slipway keeps beside the release from a namespace that is no longer an app's, unless another
    /// tool created them.
    ///
    /// # Errors
    /// [`AppsError`]
    pub async fn delete_secrets(&self, app: &AppName) -> Result<(), AppsError> {
        self.delete_secret(app, PULL_SECRET).await?;
        self.delete_secret(app, GENERATED_SECRET).await
    }

    async fn delete_secret(&self, app: &AppName, name: &str) -> Result<(), AppsError> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), app.as_str());
        let found = with_retries("reading a Secret of slipway's", || secrets.get_metadata_opt(name)).await?;
        let Some(secret) = found.filter(|secret| secret.labels().get(MANAGED_BY).is_some_and(|value| value == MANAGER))
        else {
            return Ok(());
        };
        let same_secret = Preconditions { uid: secret.uid(), resource_version: None };
        let params = DeleteParams::default().preconditions(same_secret);
        match with_retries("deleting a Secret of slipway's", || secrets.delete(name, &params)).await {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn manifest(PullSecret { registry, config }: &PullSecret<'_>) -> Secret {
    let metadata = ObjectMeta {
        name: Some(PULL_SECRET.to_owned()),
        labels: Some([(MANAGED_BY.to_owned(), MANAGER.to_owned())].into()),
        annotations: Some([(labels::REGISTRY.to_owned(), (*registry).to_owned())].into()),
        ..ObjectMeta::default()
    };
    let data = [(".dockerconfigjson".to_owned(), ByteString(config.as_bytes().to_vec()))];
    let kind = "kubernetes.io/dockerconfigjson".to_owned();
    Secret { metadata, type_: Some(kind), data: Some(data.into()), ..Secret::default() }
}

#[cfg(test)]
mod tests {
    use http::Method;
    use kube::Client;
    use serde_json::json;

    use super::super::scope::NamespaceScope;
    use super::*;
    use crate::testing::{fake_api_server, not_found};

    fn apps(client: Client) -> Apps {
        Apps::new(client, NamespaceScope::AllNamespaces, "slipway")
    }

    #[tokio::test]
    async fn a_pull_secret_for_another_registry_does_not_count() {
        let mut stored = serde_json::to_value(manifest(&PullSecret { registry: "r.example", config: "{}" })).unwrap();
        stored["kind"] = "Secret".into();
        let apps = apps(fake_api_server(move |_| (200, stored.clone())));
        let app = "web".parse().unwrap();
        assert!(apps.has_pull_secret_for(&app, "r.example").await.unwrap());
        assert!(!apps.has_pull_secret_for(&app, "other.example").await.unwrap());
        assert!(!self::apps(fake_api_server(|_| not_found())).has_pull_secret_for(&app, "r.example").await.unwrap());
    }

    #[tokio::test]
    async fn a_pull_secret_of_another_tool_is_not_deleted() {
        for labels in [json!({}), json!({ MANAGED_BY: "Helm" })] {
            let client = fake_api_server(move |request| {
                assert_eq!(request.method(), Method::GET, "{}", request.uri());
                (
                    200,
                    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": { "name": PULL_SECRET, "labels": labels } }),
                )
            });
            apps(client).delete_secrets(&"web".parse().unwrap()).await.unwrap();
        }
        apps(fake_api_server(|_| not_found())).delete_secrets(&"web".parse().unwrap()).await.unwrap();
    }
}
