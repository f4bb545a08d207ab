//! With what kubelets pull the images of an app: a Secret beside its release and no part of it, since a release that is
//! rolled back, by helm as well, would bring an old password back with it.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, Preconditions};
use kube::{Api, ResourceExt};

use super::error::AppsError;
use super::reach::Apps;
use crate::clusters::call;
use crate::domain::{AppName, labels};

/// The Secret's name in each app's namespace. Releases name it: it can never be changed.
pub const PULL_SECRET: &str = "slipway-pull";
/// Not `helm`, whose field manager is for what is in a release.
const MANAGER: &str = "slipway";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// With what images are pulled.
pub struct PullSecret<'a> {
    /// The host of the registry.
    pub registry: &'a str,
    /// The `.dockerconfigjson`.
    pub config: &'a str,
}

impl Apps {
    /// Whether an app's Secret is there, and is for this registry. One that another slipway wrote is its own to keep.
    ///
    /// # Errors
    /// [`AppsError`].
    pub async fn pulls_from(&self, app: &AppName, registry: &str) -> Result<bool, AppsError> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), app.as_str());
        let found = call("reading the Secret to pull with", || secrets.get_metadata_opt(PULL_SECRET)).await?;
        Ok(found.is_some_and(|secret| secret.annotations().get(labels::REGISTRY).is_some_and(|of| of == registry)))
    }

    /// Writes the Secret into the app's namespace.
    ///
    /// # Errors
    /// [`AppsError`].
    pub async fn write_pull_secret(&self, app: &AppName, content: &PullSecret<'_>) -> Result<(), AppsError> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), app.as_str());
        let (params, secret) = (PatchParams::apply(MANAGER).force(), Patch::Apply(secret(content)));
        let written = call("writing the Secret to pull with", || secrets.patch(PULL_SECRET, &params, &secret)).await;
        Ok(written.map(drop)?)
    }

    /// Removes the Secret from a namespace that is no app's any more. One that somebody else made stays.
    ///
    /// # Errors
    /// [`AppsError`].
    pub async fn remove_pull_secret(&self, app: &AppName) -> Result<(), AppsError> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), app.as_str());
        let found = call("reading the Secret to pull with", || secrets.get_metadata_opt(PULL_SECRET)).await?;
        let Some(ours) = found.filter(|secret| secret.labels().get(MANAGED_BY).is_some_and(|by| by == MANAGER)) else {
            return Ok(());
        };
        let only_this = Preconditions { uid: ours.uid(), resource_version: None };
        let params = DeleteParams::default().preconditions(only_this);
        match call("removing the Secret to pull with", || secrets.delete(PULL_SECRET, &params)).await {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn secret(PullSecret { registry, config }: &PullSecret<'_>) -> Secret {
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

    use super::super::reach::Reach;
    use super::*;
    use crate::testing::{api_server, not_found};

    fn apps(client: Client) -> Apps {
        Apps::new(client, Reach::Cluster, "slipway")
    }

    #[tokio::test]
    async fn a_secret_for_another_registry_is_not_ours_to_renew() {
        let mut kept = serde_json::to_value(secret(&PullSecret { registry: "r.example", config: "{}" })).unwrap();
        kept["kind"] = "Secret".into();
        let apps = apps(api_server(move |_| (200, kept.clone())));
        let app = "web".parse().unwrap();
        assert!(apps.pulls_from(&app, "r.example").await.unwrap());
        assert!(!apps.pulls_from(&app, "other.example").await.unwrap());
        assert!(!self::apps(api_server(|_| not_found())).pulls_from(&app, "r.example").await.unwrap());
    }

    #[tokio::test]
    async fn a_secret_that_somebody_else_made_is_not_removed() {
        for by in [json!({}), json!({ MANAGED_BY: "Helm" })] {
            let client = api_server(move |request| {
                assert_eq!(request.method(), Method::GET, "{}", request.uri());
                (
                    200,
                    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": { "name": PULL_SECRET, "labels": by } }),
                )
            });
            apps(client).remove_pull_secret(&"web".parse().unwrap()).await.unwrap();
        }
        apps(api_server(|_| not_found())).remove_pull_secret(&"web".parse().unwrap()).await.unwrap();
    }
}
