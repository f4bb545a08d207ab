//! An image in the registry that no release record names yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use tracing::Instrument;

use super::deployer::Deployer;
use crate::domain::{AppName, Digest};

/// An image between its publication and the record of its release. Dropping the value deletes the image in the background,
/// unless a record names it: an earlier revision, or a later push of the same files, may have the same image.
#[must_use = "dropping it deletes the image"]
pub(super) struct UnrecordedImage {
    deployer: Arc<Deployer>,
    app: AppName,
    digest: Option<Digest>,
}

impl UnrecordedImage {
    pub(super) fn new(deployer: &Arc<Deployer>, app: &AppName, digest: &Digest) -> Self {
        Self { deployer: Arc::clone(deployer), app: app.clone(), digest: Some(digest.clone()) }
    }

    /// Keeps the image: a record names it.
    pub(super) fn recorded(mut self) {
        self.digest = None;
    }
}

impl Drop for UnrecordedImage {
    fn drop(&mut self) {
        let (Some(digest), Ok(runtime)) = (self.digest.take(), tokio::runtime::Handle::try_current()) else { return };
        let (deployer, app) = (Arc::clone(&self.deployer), self.app.clone());
        let delete = async move {
            if let Err(error) = deployer.delete_if_unreferenced(&app, BTreeSet::from([digest])).await {
                let error = crate::telemetry::error_chain(&error);
                tracing::warn!(%app, error, "cannot delete the image of a push that failed: it stays in the registry");
            }
        };
        runtime.spawn(delete.in_current_span());
    }
}
