//! Deploys: from a commit to a live release. This module connects the stages `git`, `apps`, `build`, `registry`,
//! `chart` and `release`, which do not import each other.
//!
//! [`Deployer::push`] runs inside git's pre-receive hook. [`Deployer::finalize`] runs after git has moved the ref, or
//! failed to.

mod connectivity;
mod deployer;
mod destroy;
mod doctor;
mod dry_run;
mod error;
mod events;
mod finalize;
mod health_monitor;
mod history_limit;
mod image_cleanup;
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
mod request;
mod rollback;

pub use deployer::{DeploySettings, Deployer};
pub use doctor::Diagnosis;
pub use error::DeployError;
pub use live_deploy::LiveDeploy;
pub use options::DeployOptions;
pub use push::IncomingPush;
pub use redeploy::RedeployCommand;
pub use rollback::RollbackCommand;
