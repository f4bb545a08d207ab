//! The kinds of errors, from which a front door chooses its status.

use super::error::ServiceError;
use crate::apps::AppsError;
use crate::auth::AccessDenied;
use crate::deploy::DeployError;
use crate::deploy_logs::DeployLogError;
use crate::git::GitError;
use crate::keys::KeysError;
use crate::release::lock::LockError;
use crate::release::{DiscoveryError, PreconditionError, QueryError, RecordError, ReleaseError, StepError};

/// The meaning of an error for the caller. Each kind has one exit status of an SSH command, and one status code of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// There is no such thing, or the caller may not know of it.
    NotFound,
    Forbidden,
    /// The request can never succeed as it is.
    Invalid,
    /// The state of the app does not allow the request.
    Conflict,
    /// Another operation is running: a later attempt may succeed.
    Busy,
    /// A service that slipway depends on does not answer.
    Unavailable,
    /// The request was carried out and failed, such as a release that did not become ready.
    Failed,
    /// A fault of slipway's, or of its host.
    Internal,
}

impl ServiceError {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::AccessDenied(error) => of_denial(error),
            Self::App(error) => of_apps(error),
            Self::Git(error) => of_git(error),
            Self::NoRepository(_) => ErrorKind::NotFound,
            Self::OwnNamespace(_) | Self::NotConfirmed(_) | Self::InvalidKeys(_) => ErrorKind::Invalid,
            Self::RepositoryInUse { .. } => ErrorKind::Busy,
            Self::Keys(error) => of_keys(error),
            Self::Release(error) => of_query(error),
            Self::Log(DeployLogError::NotFound) => ErrorKind::NotFound,
            Self::Log(DeployLogError::Unreadable(_)) | Self::GitIo(_) => ErrorKind::Internal,
            Self::Deploy(error) => of_deploy(error),
        }
    }
}

fn of_denial(error: &AccessDenied) -> ErrorKind {
    match error {
        AccessDenied::NotReadable { .. } | AccessDenied::NothingToAdopt(_) => ErrorKind::NotFound,
        AccessDenied::ForeignNamespace(_) | AccessDenied::OtherInstallation { .. } | AccessDenied::AlreadyAnApp(_) => {
            ErrorKind::Conflict
        }
        AccessDenied::KeyRevoked(_)
        | AccessDenied::NotOwner { .. }
        | AccessDenied::CreationRequiresAdmin(_)
        | AccessDenied::AdoptionRequiresAdmin
        | AccessDenied::UploadForOtherUser(_)
        | AccessDenied::AdminKeyRequiresAdmin => ErrorKind::Forbidden,
    }
}

fn of_apps(error: &AppsError) -> ErrorKind {
    match error {
        AppsError::OwnedByOther(_)
        | AppsError::OwnerChanged(_)
        | AppsError::Foreign(_)
        | AppsError::OtherInstallation { .. }
        | AppsError::RoleBindingTaken { .. }
        | AppsError::NamespaceGone(_) => ErrorKind::Conflict,
        AppsError::NotListed(_) => ErrorKind::Forbidden,
        AppsError::NamespaceMissing(_) => ErrorKind::NotFound,
        AppsError::BeingDeleted(_) | AppsError::PermissionPending(_) => ErrorKind::Busy,
        AppsError::Unreachable(_) => ErrorKind::Unavailable,
        AppsError::DeletionTimedOut { .. } | AppsError::Refused { .. } => ErrorKind::Failed,
    }
}

fn of_git(error: &GitError) -> ErrorKind {
    match error {
        GitError::FileTooLarge { .. }
        | GitError::BrokenLink { .. }
        | GitError::TreeTooLarge { .. }
        | GitError::TooManyRefs(_) => ErrorKind::Invalid,
        _ => ErrorKind::Internal,
    }
}

fn of_keys(error: &KeysError) -> ErrorKind {
    match error {
        KeysError::Unreachable(_) | KeysError::Unconfirmed(_) => ErrorKind::Unavailable,
        KeysError::Refused { .. } => ErrorKind::Failed,
        KeysError::Contended => ErrorKind::Busy,
        KeysError::KeyOwnedByOther(_) | KeysError::TooManyKeys(_) => ErrorKind::Conflict,
        KeysError::Bootstrap { .. } | KeysError::InvalidHostKey { .. } | KeysError::InvalidAddress(_) => {
            ErrorKind::Internal
        }
    }
}

fn of_release(error: &ReleaseError) -> ErrorKind {
    match error {
        ReleaseError::NotStarted(error) => of_precondition(error),
        ReleaseError::Interrupted(error) => of_step(error),
        ReleaseError::Failed { .. } => ErrorKind::Failed,
    }
}

fn of_precondition(error: &PreconditionError) -> ErrorKind {
    match error {
        PreconditionError::Api(error) => of_response(error.status()),
        PreconditionError::Query(error) => of_query(error),
        PreconditionError::Discovery(error) => of_discovery(error),
        PreconditionError::Record(error) => of_record(error),
        PreconditionError::Step(error) => of_step(error),
        PreconditionError::OwnedByOther { .. }
        | PreconditionError::NotRollbackTarget { .. }
        | PreconditionError::AlreadyDeployed { .. } => ErrorKind::Conflict,
        PreconditionError::InProgress { .. } | PreconditionError::Unrecovered { .. } => ErrorKind::Busy,
    }
}

fn of_step(error: &StepError) -> ErrorKind {
    match error {
        StepError::Api(error) => of_response(error.status()),
        StepError::Lock(error) => of_lock(error),
        StepError::Query(error) => of_query(error),
        StepError::Record(error) => of_record(error),
        StepError::Discovery(error) => of_discovery(error),
        StepError::FieldConflict { .. } => ErrorKind::Conflict,
        StepError::ImmutableFields { .. } => ErrorKind::Invalid,
        StepError::RolloutFailed(_)
        | StepError::TemplateReplaced(_)
        | StepError::NewerRevision { .. }
        | StepError::StillBeingDeleted { .. } => ErrorKind::Failed,
    }
}

fn of_query(error: &QueryError) -> ErrorKind {
    match error {
        QueryError::Api(error) => of_response(error.status()),
        QueryError::NoSuchRevision { .. } | QueryError::NotDeployed(_) | QueryError::NoPreviousRevision { .. } => {
            ErrorKind::NotFound
        }
        QueryError::UnreadableRecord { .. }
        | QueryError::UnreadableManifest { .. }
        | QueryError::SerializeObject(_) => ErrorKind::Internal,
    }
}

fn of_record(error: &RecordError) -> ErrorKind {
    match error {
        RecordError::RevisionExists { .. } => ErrorKind::Conflict,
        RecordError::TooLarge { .. } => ErrorKind::Invalid,
        RecordError::Encode(_) => ErrorKind::Internal,
    }
}

fn of_discovery(error: &DiscoveryError) -> ErrorKind {
    match error {
        DiscoveryError::Api(error) => of_response(error.status()),
        DiscoveryError::UnknownKind { .. } | DiscoveryError::ClusterScoped { .. } => ErrorKind::Invalid,
    }
}

/// The kind of a failed request to the API server, by the server's response.
fn of_response<T>(response: Option<T>) -> ErrorKind {
    response.map_or(ErrorKind::Unavailable, |_| ErrorKind::Failed)
}

fn of_lock(error: &LockError) -> ErrorKind {
    match error {
        LockError::Held(_) | LockError::WaitTimedOut { .. } => ErrorKind::Busy,
        LockError::Lost { .. } => ErrorKind::Failed,
        LockError::Api(error) => of_response(error.status()),
    }
}

fn of_deploy(error: &DeployError) -> ErrorKind {
    match error {
        DeployError::AccessDenied(error) => of_denial(error),
        DeployError::Option(_)
        | DeployError::RefRejected(_)
        | DeployError::FirstPushWithoutBranch(_)
        | DeployError::NoDockerfile(_)
        | DeployError::Misnamed { .. }
        | DeployError::NoEnvironmentFile(_)
        | DeployError::NoSuchPath { .. }
        | DeployError::Spec(_)
        | DeployError::NoShell(_)
        | DeployError::Stack(_)
        | DeployError::Chart(_) => ErrorKind::Invalid,
        DeployError::NoSuchBranch { .. } => ErrorKind::NotFound,
        DeployError::NoDeployBranch(_) | DeployError::ConcurrentPush(_) => ErrorKind::Conflict,
        DeployError::Registry(_) => ErrorKind::Unavailable,
        DeployError::RecoveryFailed { .. }
        | DeployError::NotUninstalled { .. }
        | DeployError::Build(_)
        | DeployError::DryRun
        | DeployError::Cancelled(_) => ErrorKind::Failed,
        DeployError::Git(error) => of_git(error),
        DeployError::App(error) => of_apps(error),
        DeployError::Lock(error) => of_lock(error),
        DeployError::Busy { .. } => ErrorKind::Busy,
        DeployError::Release(error) => of_release(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AppName, Revision, Target};

    #[test]
    fn the_kind_is_found_through_the_stages() {
        let app: AppName = "web".parse().unwrap();
        let missing = || QueryError::NoSuchRevision { target: Target::of_app(&app), revision: Revision(9) };
        assert_eq!(ServiceError::from(missing()).kind(), ErrorKind::NotFound);
        let wrapped = DeployError::Release(missing().into());
        assert_eq!(ServiceError::from(wrapped).kind(), ErrorKind::NotFound);
        assert_eq!(ServiceError::from(DeployError::App(AppsError::Foreign(app))).kind(), ErrorKind::Conflict);
    }

    #[test]
    fn a_refused_read_has_the_kind_of_a_missing_app() {
        let denied = AccessDenied::NotReadable { user: "bob".parse().unwrap(), app: "web".parse().unwrap() };
        assert_eq!(ServiceError::from(denied).kind(), ErrorKind::NotFound);
        assert_eq!(ServiceError::from(AccessDenied::AdoptionRequiresAdmin).kind(), ErrorKind::Forbidden);
    }
}
