//! Taking images out of the registry that no release names any more.

use std::collections::BTreeSet;

use oci_distribution::{Reference, RegistryOperation};
use reqwest::{Response, StatusCode};

use super::client::{ANSWER, Registry, says_unknown};
use super::error::RegistryError;
use crate::domain::{AppName, Digest};

/// How many repositories are asked for at once: the most that Docker's registry answers with.
const PAGE: usize = 1000;

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
            status if status.is_success() => {
                self.collection.iter().for_each(|collection| collection.want());
                Ok(true)
            }
            StatusCode::NOT_FOUND => Ok(true),
            StatusCode::METHOD_NOT_ALLOWED => Ok(false),
            status => Err(RegistryError::Kept { image: self.push.by_digest(app, digest), status: status.as_u16() }),
        }
    }

    /// The images of an app that have a tag.
    ///
    /// # Errors
    /// [`RegistryError`] if it does not say.
    pub async fn tagged(&self, app: &AppName) -> Result<BTreeSet<Digest>, RegistryError> {
        let repository = self.push.repository(app);
        let any = self.reference(&repository, "none");
        let access = self.access();
        let tags = match self.ask(access.client.list_tags(&any, &access.auth(), None, None)).await {
            Ok(found) => found.tags,
            Err(RegistryError::Answer(_, error)) if says_unknown(&error) => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut images = BTreeSet::new();
        for tag in tags {
            images.extend(self.tag_digest(&self.reference(&repository, &tag)).await?);
        }
        Ok(images)
    }

    /// The apps that it has a repository of. Only for a registry that is slipway's own: others hardly let themselves be
    /// listed, and hold more than apps.
    ///
    /// # Errors
    /// [`RegistryError`] if it does not say.
    pub async fn apps(&self) -> Result<Vec<AppName>, RegistryError> {
        let any = Reference::with_tag(self.push.host().to_owned(), "none".to_owned(), "none".to_owned());
        let access = self.access();
        let auth = access.auth();
        let (mut apps, mut last) = (Vec::new(), None);
        loop {
            let page = self.ask(access.client.catalog(&any, &auth, Some(PAGE), last.as_deref())).await?;
            apps.extend(page.repositories.iter().filter_map(|repository| self.push.app(repository)));
            last = page.repositories.last().cloned();
            if page.repositories.len() < PAGE {
                return Ok(apps);
            }
        }
    }

    /// Has garbage collected now, where slipway sees to that.
    pub fn collect_now(&self) {
        self.collection.iter().for_each(|collection| collection.want_now());
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
