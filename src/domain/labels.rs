//! Label and annotation keys that slipway writes on Kubernetes objects.

/// The manager recorded in server-side apply. Helm 4 applies as `helm`, and both have to be the
/// same owner for `helm rollback` and `helm uninstall` to work on what slipway applied.
pub const FIELD_MANAGER: &str = "helm";

/// On a namespace: slipway made it, and the app of the same name lives in it.
pub const APP: &str = "slipway.dev/app";
/// On a namespace, as an annotation: the user who created the app.
pub const OWNER: &str = "slipway.dev/owner";
/// On a namespace, as an annotation: which slipway has the app, by its own namespace.
pub const INSTALLATION: &str = "slipway.dev/installation";
/// On a namespace, as an annotation: slipway did not make it, and this is since when the app lives in it.
pub const ADOPTED: &str = "slipway.dev/adopted";
/// On a ConfigMap in slipway's own namespace: it holds keys; the value says whose.
pub const KEYS: &str = "slipway.dev/keys";
/// On a Secret that images are pulled with, as an annotation: from which registry.
pub const REGISTRY: &str = "slipway.dev/registry";
/// On objects and release records: the commit they came from.
pub const COMMIT: &str = "slipway.dev/commit";
/// On release records: who pushed.
pub const PUSHER: &str = "slipway.dev/pusher";
/// On release records: when the deploy was over, RFC 3339.
pub const FINISHED: &str = "slipway.dev/finished";
/// On a release record: the branch that git could not move to the commit, although the release is live.
pub const UNMOVED: &str = "slipway.dev/unmoved-branch";
/// On release records and the deploy Lease: the slipway process that wrote them.
pub const INSTANCE: &str = "slipway.dev/instance";
/// On release records: the digest of the image they run.
pub const DIGEST: &str = "slipway.dev/image-digest";
/// On release records and the deploy Lease: one taking of the lock, so that an answer that got lost can be told
/// from someone else's writing.
pub const LOCK: &str = "slipway.dev/lock";
