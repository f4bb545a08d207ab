//! Installs, upgrades, rolls back and uninstalls Helm releases.
//!
//! A release has Helm's format: one Secret per revision in the release's namespace, and objects with Helm's ownership
//! metadata. A namespace may hold several releases. Every change of a release holds its [`lock::ReleaseLock`] and
//! writes the revision's record before its objects. A pending record without a lock holder was therefore left by a
//! gateway that died; [`recover`] rolls it back.

mod apply;
mod apply_mode;
mod auto_rollback;
mod context;
mod csa_migration;
mod declared_replicas;
mod delete;
mod diff;
mod discovery;
mod dry_run;
mod error;
mod execute;
mod field_conflict;
mod health;
mod history;
mod history_limit;
mod immutable_fields;
mod job_output;
pub mod lock;
mod manifest;
mod object_id;
mod ordering;
mod ownership;
mod ownership_check;
mod plan;
mod prune;
mod queries;
mod readiness;
pub mod record;
mod record_list;
mod recovery;
mod release_job;
mod release_phase;
mod replicas;
mod restorable;
mod revision_summary;
mod roll_out;
mod rollback;
mod rollout_limits;
mod secret;
mod service_address;
mod storage;
mod supersede;
mod template_replacement;
mod uninstall;
mod unmanaged;
mod upgrade;

pub use apply_mode::OnFieldConflict;
pub use discovery::{ApiDiscovery, DiscoveryError};
pub use dry_run::{diff_against_live, diff_against_nothing, dry_run, normalize_versions};
pub use error::{PreconditionError, QueryError, RecordError, ReleaseError, RollbackOutcome, StepError};
pub use execute::{OnFailure, Released};
pub use health::{ObjectProblem, find_object_problems};
pub use history::ReleaseHistory;
pub use history_limit::{trim_history, unreferenced_images};
pub use plan::RolloutPhase;
pub use queries::{
    ListScope, ReleaseDetails, ReleaseInfo, RevisionDiff, diff_revisions, is_deployed, list_releases, list_unmanaged,
    newest_releases, show_release,
};
pub use recovery::{Recovered, RecoveryOutcome, find_interrupted, recover};
pub use release_phase::ReleasePhase;
pub use rollback::{RollbackOptions, RolledBack, rollback};
pub use rollout_limits::RolloutLimits;
pub use service_address::{ServiceAddress, ServingPods};
pub use storage::record_unmoved_branch;
pub use uninstall::uninstall;
pub use upgrade::{UpgradeContext, UpgradeRequest, upgrade};
