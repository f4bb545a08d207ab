//! `git fetch`, `git clone` and `git archive --remote`.

use super::error::ServiceError;
use super::git_client::{GitClient, GitExit, GitSession};
use super::handle::{Caller, Service};
use crate::domain::{AppName, CancelHandle};
use crate::git::{GitService, ServiceCommand};

/// The git services that only read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchService {
    /// `git fetch` and `git clone`.
    UploadPack,
    /// `git archive --remote`.
    UploadArchive,
}

#[derive(Debug, Clone, Copy)]
pub struct FetchRequest<'a> {
    pub app: &'a AppName,
    pub service: FetchService,
    /// The client's `GIT_PROTOCOL`.
    pub protocol: Option<&'a str>,
}

impl From<FetchService> for GitService {
    fn from(service: FetchService) -> Self {
        match service {
            FetchService::UploadPack => Self::UploadPack,
            FetchService::UploadArchive => Self::UploadArchive,
        }
    }
}

impl Service {
    /// Serves a client that reads the app's repository.
    ///
    /// # Errors
    /// [`ServiceError`]
    pub async fn fetch(
        &self,
        caller: &Caller,
        request: FetchRequest<'_>,
        client: impl GitClient,
    ) -> Result<GitExit, ServiceError> {
        let FetchRequest { app, service, protocol } = request;
        let grant = self.authorize_read(caller, app).await?;
        if !self.repositories.exists(grant.app()).await {
            return Err(ServiceError::NoRepository(app.clone()));
        }
        let repository = self.repositories.path(grant.app());
        let command = ServiceCommand {
            service: service.into(),
            repository: &repository,
            protocol,
            settings: &self.git,
            hook: None,
        };
        let (git, cancel) = (command.spawn()?, CancelHandle::default());
        let session = GitSession { git, cancel: &cancel, stop: &self.deployer.stop, claimed: None };
        client.exchange(session).await.map_err(ServiceError::GitIo)
    }
}
