//! One deploy per app at a time, across gateways: a Lease in the app's namespace.
//!
//! The API server checks no fencing token. The holder therefore checks its lock before each write ([`AppLock::check`]),
//! and stops writing well before anyone else may take the Lease over.

mod acquire;
mod api;
mod app_lock;
mod clock;
mod error;
mod hold;
mod lease;
mod renew;

pub use acquire::{acquire, acquire_waiting, holder_state};
pub use api::delete_lease;
pub use app_lock::AppLock;
pub use error::LockError;
pub use lease::{HolderInfo, HolderState, LockHolder, ProcessIdentity};
