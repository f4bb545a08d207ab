//! The environment of an app: one repository may be several apps, each with a file of its own for its environment.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::app::App;
use super::error::AppsError;
use super::handle::Apps;
use crate::domain::{AppName, labels};
use crate::k8s::with_retries;

impl Apps {
    /// The name of the app's environment; `None` without one, or without the app.
    ///
    /// # Errors
    /// [`AppsError`]
    pub async fn environment(&self, app: &AppName) -> Result<Option<String>, AppsError> {
        if let Some(cached) = self.cache.get(app) {
            return Ok(cached.and_then(|app| app.environment));
        }
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let namespace = with_retries("reading the namespace", || namespaces.get_metadata_opt(app.as_str())).await?;
        let app = namespace.and_then(|namespace| App::from_metadata(&namespace.metadata, &self.installation));
        Ok(app.and_then(|app| app.environment))
    }

    /// Gives the app another environment, or none.
    ///
    /// # Errors
    /// [`AppsError`]
    pub async fn set_environment(&self, app: &AppName, environment: Option<&str>) -> Result<(), AppsError> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let patch = Patch::Merge(json!({"metadata": {"annotations": {labels::ENVIRONMENT: environment}}}));
        let (name, params) = (app.as_str(), PatchParams::default());
        with_retries("setting the environment", || namespaces.patch_metadata(name, &params, &patch)).await?;
        self.cache.wait_environment(app, environment).await;
        Ok(())
    }
}
