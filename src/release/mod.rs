//! Installing, upgrading and rolling back the release of an app.
//!
//! A release is what Helm calls one: a record in a Secret of the app's namespace, and objects that carry Helm's marks.
//! Whoever changes it holds the app's [`lock::AppLock`], and writes the record before the objects: a record that is
//! pending while nobody holds the lock was left by a process that died, and [`heal`] undoes it.

mod apply;
mod catalog;
mod compare;
mod conflict;
mod error;
mod heal;
pub mod history;
mod immutable;
pub mod lock;
mod overview;
mod past;
mod perform;
mod plan;
pub mod record;
mod replicas;
mod retention;
mod rollback;
mod secret;
mod takeover;
mod undo;
mod uninstall;
mod upgrade;
mod verify;

pub use apply::{dry_run, fit};
pub use catalog::Catalog;
pub use conflict::FieldConflict;
pub use error::{Aftermath, ReleaseError};
pub use heal::{Healed, Health, heal, interrupted};
pub use history::note_unmoved;
pub use overview::{Difference, ReleaseDetails, ReleaseInfo, diff, newest, preview, releases, show};
pub use past::Past;
pub use perform::{OnFailure, Released};
pub use retention::{trim, unnamed};
pub use rollback::{RollbackRequest, RolledBack, rollback};
pub use uninstall::uninstall;
pub use upgrade::{Ground, ReleaseRequest, upgrade};
