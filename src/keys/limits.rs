//! Limits of uploads and of stored keys.

/// The size of one upload.
pub const MAX_UPLOAD_BYTES: usize = 64 * 1024;
/// The number of keys in one upload.
pub(super) const MAX_UPLOAD_KEYS: usize = 100;
/// The number of keys of one user.
pub(super) const MAX_USER_KEYS: usize = 256;
/// The size of one ConfigMap that slipway writes. Kubernetes' own limit is 1 MiB.
pub(super) const MAX_SHARD_BYTES: usize = 900 * 1024;
