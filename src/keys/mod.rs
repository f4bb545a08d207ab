//! SSH keys of users and admins, and slipway's own host key.
//!
//! The keys are stored in ConfigMaps with the label `slipway.dev/keys` in slipway's namespace. Each entry holds the
//! `authorized_keys` lines of one user, and may be edited with `kubectl`. [`KeyStore`] watches the ConfigMaps.

mod bootstrap;
mod cache;
mod error;
mod host_key;
mod index;
mod issue;
mod key_metrics;
mod limits;
mod parse;
mod plan;
mod report;
mod shard;
mod store;
#[cfg(test)]
mod testing;
mod watch;
mod write;

pub use error::KeysError;
pub use host_key::ensure_host_key;
pub use limits::MAX_UPLOAD_BYTES;
pub use parse::{AuthorizedKey, ParseKeysError, parse_authorized_keys};
pub use plan::UploadResult;
pub use store::KeyStore;
pub use write::add_keys;
