//! Authorization: identities, and grants of access to apps and keys.

mod error;
mod grants;
mod identity;

pub use error::AccessDenied;
pub use grants::{
    AdoptGrant, AppCreationPolicy, PushGrant, ReadGrant, UploadGrant, authorize_adoption, authorize_push,
    authorize_read, authorize_upload,
};
pub use identity::{Identity, Role};
