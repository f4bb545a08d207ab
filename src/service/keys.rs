//! Public keys of users.

use super::answers::UploadedKeys;
use super::error::ServiceError;
use super::handle::{Caller, Service};
use crate::auth::{Role, UploadGrant, authorize_upload};
use crate::domain::UserName;
use crate::keys::{self, parse_authorized_keys};

/// The size of one upload.
pub const MAX_UPLOAD_BYTES: usize = keys::MAX_UPLOAD_BYTES;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRequest {
    /// The user to whom the keys belong.
    pub user: UserName,
    pub role: Role,
}

impl Service {
    /// Authorizes an upload, before the front door receives the keys.
    ///
    /// # Errors
    /// [`ServiceError::AccessDenied`]
    pub fn authorize_upload(&self, caller: &Caller, request: &UploadRequest) -> Result<UploadGrant, ServiceError> {
        Ok(authorize_upload(&caller.identity, &request.user, request.role)?)
    }

    /// Stores public keys, in the format of `authorized_keys`.
    ///
    /// # Errors
    /// [`ServiceError::AccessDenied`] if the caller's own key was removed since the upload was authorized;
    /// [`ServiceError::InvalidKeys`]; [`ServiceError::Keys`].
    pub async fn upload_keys(
        &self,
        caller: &Caller,
        grant: &UploadGrant,
        text: &[u8],
    ) -> Result<UploadedKeys, ServiceError> {
        self.check_key(caller)?;
        let uploaded = self.keys.add(grant, &parse_authorized_keys(text)?).await?;
        let (owner, role, by) = (grant.user(), grant.role(), &caller.identity.user);
        tracing::info!(%owner, ?role, new = uploaded.added.len(), %by, "keys uploaded");
        Ok(uploaded)
    }
}
