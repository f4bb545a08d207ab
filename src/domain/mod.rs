//! The vocabulary: names, the values that stages pass on, progress and cancellation.
//!
//! This module imports no other module of the crate, and does no I/O.

pub mod app_spec;
mod cancel;
mod kube_version;
pub mod labels;
mod limited_resources;
pub mod metric_names;
mod names;
mod owner;
pub mod progress;
mod revision;
mod runtime_error;
pub mod spans;
mod stages;
mod target;

pub use app_spec::AppSpec;
pub use cancel::{CancelHandle, Cancelled};
pub use kube_version::{KubeVersion, ParseKubeVersionError};
pub use limited_resources::LimitedResources;
pub use names::{AppName, BranchName, CommitSha, Digest, ImageRef, NameError, UserName};
pub use owner::AppOwner;
pub use progress::{Progress, ProgressEvent};
pub use revision::{ParseRevisionError, Revision};
pub use runtime_error::runtime_cause;
pub use spans::{DeployTrace, PipelineResult, in_span};
pub use stages::{BuiltImage, GitObjects, Manifest, PublishedImage, PushedCommit, Quarantine, RenderedChart};
pub use target::{ClusterName, NamespaceName, ReleaseName, Target};
