//! The functions that users can ask for through any front door: SSH commands, git, and later HTTP.
//!
//! A function of [`Service`] takes the [`Caller`] and a typed request, checks the caller's rights, and answers with a value
//! that serializes. Fetches and pushes answer with the end of git's process instead. A front door parses, authenticates and prints; it decides nothing.

mod access;
mod adoption;
mod answers;
mod app_files;
mod apps;
mod builds;
mod deploy_branch;
mod deploys;
mod destroyed;
mod diagnosis;
mod error;
mod error_kind;
mod fetches;
mod git_client;
mod handle;
mod keys;
mod push_hook;
mod push_result;
mod pushes;
mod releases;
mod repository_locks;
pub mod terminal;

pub use answers::{
    Build, BuildLog, BuildState, DeletionOutcome, Deployed, DeployedSource, Diagnosis, InvalidKeys, Release,
    ReleaseDetails, RevisionDiff, UploadedKeys,
};
pub use apps::{AdoptRequest, AdoptedApp, AppSummary, ConfirmedDeletion, DeletedApp, UnconfirmedDeletion};
pub use deploy_branch::SetDeployBranchRequest;
pub use deploys::{DeployFlags, RedeployRequest, RollbackRequest};
pub use error::ServiceError;
pub use error_kind::ErrorKind;
pub use fetches::{FetchRequest, FetchService};
pub use git_client::{GitClient, GitExit, GitSession};
pub use handle::{Caller, Service, ServiceParts};
pub use keys::{MAX_UPLOAD_BYTES, UploadRequest};
pub use push_result::{PushResult, ReceivedPush};
pub use pushes::PushRequest;
pub use releases::{AppRelease, DiffRequest, ReleasesRequest};
