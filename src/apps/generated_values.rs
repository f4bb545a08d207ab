//! Values that slipway generates for an app once, such as the key with which the app signs cookies. They are in a Secret
//! beside the release: a rollback must not bring an old value back, and no record may have one.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use uuid::Uuid;

use super::error::AppsError;
use super::handle::Apps;
use super::pull_secret::{MANAGED_BY, MANAGER};
use crate::domain::AppName;
use crate::domain::app_spec::GENERATED_SECRET;
use crate::k8s::with_retries;

impl Apps {
    /// Generates the values that the app does not have yet. A value that exists is never changed. Returns the names of the
    /// new ones. The caller holds the lock of the app's deploys.
    ///
    /// # Errors
    /// [`AppsError`]
    pub async fn generate_values(&self, app: &AppName, names: &BTreeSet<&str>) -> Result<Vec<String>, AppsError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), app.as_str());
        let found = with_retries("reading the generated values", || secrets.get_opt(GENERATED_SECRET)).await?;
        let has = |name: &str| {
            found.as_ref().and_then(|secret| secret.data.as_ref()).is_some_and(|data| data.contains_key(name))
        };
        let missing: Vec<_> = names.iter().filter(|name| !has(name)).map(|name| (*name).to_owned()).collect();
        if missing.is_empty() {
            return Ok(missing);
        }
        let secret = new_values(&missing, found.as_ref().and_then(ResourceExt::resource_version));
        let written = match &found {
            Some(_) => {
                let (params, patch) = (PatchParams::default(), Patch::Merge(&secret));
                with_retries("writing the generated values", || secrets.patch(GENERATED_SECRET, &params, &patch)).await
            }
            None => {
                let params = PostParams::default();
                with_retries("writing the generated values", || secrets.create(&params, &secret)).await
            }
        };
        written?;
        Ok(missing)
    }
}

/// A Secret with new values only. `version` is that of the Secret to which they are added.
fn new_values(names: &[String], version: Option<String>) -> Secret {
    let values: BTreeMap<_, _> = names.iter().map(|name| (name.clone(), random_value())).collect();
    let metadata = ObjectMeta {
        name: Some(GENERATED_SECRET.to_owned()),
        resource_version: version,
        labels: Some([(MANAGED_BY.to_owned(), MANAGER.to_owned())].into()),
        ..ObjectMeta::default()
    };
    Secret { metadata, string_data: Some(values), ..Secret::default() }
}

/// 64 hexadecimal digits, with 244 random bits.
fn random_value() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::Method;
    use serde_json::json;

    use super::super::scope::NamespaceScope;
    use super::*;
    use crate::testing::fake_api_server;

    #[tokio::test]
    async fn a_value_that_exists_is_not_generated_again() {
        let methods = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&methods);
        let client = fake_api_server(move |request| {
            seen.lock().unwrap().push(request.method().clone());
            let metadata = json!({"name": GENERATED_SECRET, "resourceVersion": "7"});
            (200, json!({"kind": "Secret", "apiVersion": "v1", "metadata": metadata, "data": {"OLD": "eA=="}}))
        });
        let apps = Apps::new(client, NamespaceScope::AllNamespaces, "slipway");
        let app = "web".parse().unwrap();
        assert_eq!(apps.generate_values(&app, &["OLD"].into()).await.unwrap(), Vec::<String>::new());
        assert_eq!(apps.generate_values(&app, &["NEW", "OLD"].into()).await.unwrap(), ["NEW"]);
        assert_eq!(*methods.lock().unwrap(), [Method::GET, Method::GET, Method::PATCH]);
    }

    #[test]
    fn values_are_long_and_differ() {
        let (one, other) = (random_value(), random_value());
        assert_eq!((one.len(), one == other), (64, false));
        assert!(one.chars().all(|c| c.is_ascii_hexdigit()));
    }
}
