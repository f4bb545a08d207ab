//! Deploys: from a commit to a live release. This module connects the stages `git`, `apps`, `build`, `registry`,
//! `chart` and `release`, which do not import each other.
//!
//! [`Deployer::run`] takes a [`DeployRequest`] and ends when the release is live. For a push it runs
//! inside git's pre-receive hook. [`Deployer::finalize`] ends the deploy: for a push, after git has moved the ref, or
//! failed to.

mod app_files;
mod app_lock;

mod connectivity;
mod dependency_health;
mod deploy_branch;
mod deployer;
mod destroy;
mod dockerfile_source;
mod doctor;
mod dry_run;
mod environment;
mod error;
mod events;
mod finalize;
mod health_monitor;
mod history_limit;
mod image;
mod image_cleanup;
mod kube_version;
mod live_deploy;
mod log_capture;
mod metrics;
mod options;
mod pipeline;
mod preflight;
mod pull_secret;
mod push;
mod recovery;
mod redeploy;
mod registry_passwords;
mod request;
mod rollback;
mod run;
mod source_tree;
mod source_warnings;
mod traffic;
mod unrecorded_image;

pub use deploy_branch::read_deploy_branch;
pub use deployer::{DeploySettings, Deployer};
pub use doctor::Diagnosis;
pub use error::DeployError;
pub use live_deploy::{Deployed, DeployedSource, LiveDeploy};
pub use options::{DeployOptions, WhenLocked};
pub use push::{IncomingPush, PushDecision};
pub use request::DeployRequest;
