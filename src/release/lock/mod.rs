//! One deploy of a release at a time, across gateways: a Lease in the release's namespace.
//!
//! The API server checks no fencing token. The holder therefore checks its lock before each write ([`ReleaseLock::check`]),
//! and stops writing well before anyone else may take the Lease over.

mod acquire;
mod api;
mod clock;
mod error;
mod hold;
mod lease;
mod release_lock;
mod renew;

pub use acquire::{acquire, acquire_waiting, holder_state};
pub use api::delete_lease;
pub use error::{LockError, LossCause};
pub use lease::{HolderInfo, HolderState, LockHolder, ProcessIdentity};
pub use release_lock::ReleaseLock;
