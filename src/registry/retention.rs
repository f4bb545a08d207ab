//! Taking images out of the registry that no release names any more.

use oci_distribution::RegistryOperation;
use reqwest::{Response, StatusCode};

use super::client::{ANSWER, Registry};
use super::error::RegistryError;
use crate::domain::{AppName, Digest};

impl Registry {
    /// Deletes the manifest of an app's image; what it took is freed when the registry collects its garbage. True if it is
    /// gone now, false where the registry does not let images be deleted
    /// ([OCI distribution](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#content-management)).
    ///
    /// # Errors
    /// [`RegistryError`] if it answers neither of that.
    pub async fn forget(&self, app: &AppName, digest: &Digest) -> Result<bool, RegistryError> {
        let answer = self.delete(app, digest).await?;
        match answer.status() {
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND => Ok(true),
            StatusCode::METHOD_NOT_ALLOWED => Ok(false),
            status => Err(RegistryError::Kept { image: self.push.by_digest(app, digest), status: status.as_u16() }),
        }
    }

    /// oci-client has no request for this.
    async fn delete(&self, app: &AppName, digest: &Digest) -> Result<Response, RegistryError> {
        let (scheme, host) = (if self.plain { "http" } else { "https" }, self.push.host());
        let url = format!("{scheme}://{host}/v2/{}/manifests/{digest}", self.push.repository(app));
        let client = reqwest::Client::builder().timeout(ANSWER).build().map_err(RegistryError::Delete)?;
        let mut request = client.delete(url);
        let repository = self.reference(&self.push.repository(app), "none");
        let access = self.access();
        let token = self.ask(access.client.auth(&repository, &access.auth(), RegistryOperation::Push)).await?;
        if let Some(token) = token {
            request = request.bearer_auth(token);
        } else if let Some(credentials) = &access.credentials {
            request = request.basic_auth(&credentials.username, Some(&credentials.password));
        }
        request.send().await.map_err(RegistryError::Delete)
    }
}
