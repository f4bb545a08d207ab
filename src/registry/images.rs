//! Lists and deletes images in the registry.

use std::collections::BTreeSet;

use oci_distribution::{Reference, RegistryOperation};
use reqwest::{Response, StatusCode};

use super::client::{ANY_TAG, REQUEST_TIMEOUT, Registry};
use super::error::RegistryError;
use super::response::is_unknown;
use crate::domain::{AppName, Digest};

/// Repositories per request: the most that Docker's registry returns.
const PAGE_SIZE: usize = 1000;

impl Registry {
    /// # Errors
    /// [`RegistryError`] if the request fails.
    pub(crate) async fn has_image(&self, app: &AppName, digest: &Digest) -> Result<bool, RegistryError> {
        let (host, repository) = (self.push.host().to_owned(), self.push.repository(app));
        let reference = Reference::with_digest(host, repository, digest.to_string());
        Ok(self.find_digest(&reference).await?.is_some())
    }

    /// Deletes the manifest of an app's image; the registry's garbage collection frees the space. Returns false if the
    /// registry does not support deletion
    /// ([OCI distribution](https://github.com/opencontainers/distribution-spec/blob/main/spec.md#content-management)).
    ///
    /// # Errors
    /// [`RegistryError`] if the registry answers anything else, or not at all.
    pub async fn delete_image(&self, app: &AppName, digest: &Digest) -> Result<bool, RegistryError> {
        let response = self.send_delete(app, digest).await?;
        match response.status() {
            status if status.is_success() => {
                self.garbage_collector.iter().for_each(|collector| collector.request());
                Ok(true)
            }
            StatusCode::NOT_FOUND => Ok(true),
            StatusCode::METHOD_NOT_ALLOWED => Ok(false),
            status => {
                Err(RegistryError::DeleteRefused { image: self.push.by_digest(app, digest), status: status.as_u16() })
            }
        }
    }

    /// The app's images that have a tag.
    ///
    /// # Errors
    /// [`RegistryError`] if a request fails.
    pub(crate) async fn list_tagged_images(&self, app: &AppName) -> Result<BTreeSet<Digest>, RegistryError> {
        let repository = self.push.repository(app);
        let reference = self.reference(&repository, ANY_TAG);
        let client = self.client();
        let tags = match self.request(client.oci.list_tags(&reference, &client.auth(), None, None)).await {
            Ok(response) => response.tags,
            Err(RegistryError::UnexpectedAnswer(_, error)) if is_unknown(&error) => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut images = BTreeSet::new();
        for tag in tags {
            images.extend(self.find_digest(&self.reference(&repository, &tag)).await?);
        }
        Ok(images)
    }

    /// The apps that have a repository. Only for slipway's own registry: few others allow the listing of repositories, and
    /// they hold more than apps.
    ///
    /// # Errors
    /// [`RegistryError`] if a request fails.
    pub(crate) async fn list_apps(&self) -> Result<Vec<AppName>, RegistryError> {
        let reference = self.reference("none", ANY_TAG);
        let client = self.client();
        let auth = client.auth();
        let (mut apps, mut last) = (Vec::new(), None);
        loop {
            let page = self.request(client.oci.catalog(&reference, &auth, Some(PAGE_SIZE), last.as_deref())).await?;
            apps.extend(page.repositories.iter().filter_map(|repository| self.push.app_of_repository(repository)));
            last = page.repositories.last().cloned();
            if page.repositories.len() < PAGE_SIZE {
                return Ok(apps);
            }
        }
    }

    /// Requests garbage collection without the usual interval, if slipway controls it.
    pub(crate) fn collect_garbage_now(&self) {
        self.garbage_collector.iter().for_each(|collector| collector.request_now());
    }

    /// oci-client has no request for this.
    async fn send_delete(&self, app: &AppName, digest: &Digest) -> Result<Response, RegistryError> {
        let (scheme, host) = (if self.plain_http { "http" } else { "https" }, self.push.host());
        let url = format!("{scheme}://{host}/v2/{}/manifests/{digest}", self.push.repository(app));
        let http = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).build().map_err(RegistryError::DeleteFailed)?;
        let mut request = http.delete(url);
        let repository = self.reference(&self.push.repository(app), ANY_TAG);
        let client = self.client();
        let token = self.request(client.oci.auth(&repository, &client.auth(), RegistryOperation::Push)).await?;
        if let Some(token) = token {
            request = request.bearer_auth(token);
        } else if let Some(credentials) = &client.credentials.push {
            request = request.basic_auth(&credentials.username, Some(&credentials.password));
        }
        request.send().await.map_err(RegistryError::DeleteFailed)
    }
}
