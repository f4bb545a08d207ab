//! SSH keys of users, and what they may do.
//!
//! The cluster holds the keys: ConfigMaps labelled `slipway.dev/keys` in slipway's namespace, one
//! entry a user, each with lines of `authorized_keys`. Whoever edits them with `kubectl` edits
//! the keys. [`KeyStore`] follows them; [`grant`] says what an identity may do.

pub mod error;
pub mod grant;
pub mod host;
pub mod parse;

mod census;
mod flaw;
mod follow;
mod index;
mod news;
mod plan;
mod seed;
mod shard;
mod store;
#[cfg(test)]
mod testing;
mod write;

pub use error::{KeysError, SeedProblem};
pub use grant::{
    AppCreation, Denied, Holder, Identity, PushGrant, ReadGrant, Role, UploadGrant, adopt_grant, push_grant,
    read_grant, upload_grant,
};
pub use host::host_key;
pub use parse::{AuthorizedKey, MAX_UPLOAD, ParseError, parse};
pub use plan::{Added, MAX_USER_KEYS};
pub use store::KeyStore;
pub use write::add_keys;
