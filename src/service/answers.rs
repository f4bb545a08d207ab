//! Answers that the stages make, under the names by which front doors know them.
//!
//! A front door imports no stage but git's processes. These are aliases and not copies: the stage's value is what `--format json` prints.

/// A revision of an app, without its objects.
pub type Release = crate::release::ReleaseInfo;
/// A revision with its objects.
pub type ReleaseDetails = crate::release::ReleaseDetails;
/// The differences between the objects of two revisions.
pub type RevisionDiff = crate::release::RevisionDiff;
/// A live release, and what it consists of.
pub type Deployed = crate::deploy::Deployed;
pub type DeployedSource = crate::deploy::DeployedSource;
/// A problem of an app, or of slipway itself.
pub type Diagnosis = crate::deploy::Diagnosis;
/// A deploy whose output is stored.
pub type Build = crate::deploy_logs::DeploySummary;
pub type BuildState = crate::deploy_logs::DeployState;
/// A deploy with its stored output.
pub type BuildLog = crate::deploy_logs::DeployLog;
/// The fate of the namespace of a deleted app.
pub type DeletionOutcome = crate::apps::DeletionOutcome;
/// The fingerprints of uploaded keys.
pub type UploadedKeys = crate::keys::UploadResult;
/// Why a text is not a list of public keys.
pub type InvalidKeys = crate::keys::ParseKeysError;
