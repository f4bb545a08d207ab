//! Keys of the labels and annotations that slipway writes on Kubernetes objects.

/// The field manager of server-side apply. Helm 4 applies as `helm`, and slipway has to be the same manager: otherwise
/// `helm rollback` and `helm uninstall` conflict with the fields that slipway applied.
pub const FIELD_MANAGER: &str = "helm";

/// Label on the namespace of an app, and on the app's images in the Engine: the name of the app.
pub const APP: &str = "slipway.dev/app";
/// Annotation on a namespace: the user who owns the app.
pub const OWNER: &str = "slipway.dev/owner";
/// Annotation on a namespace: the slipway that the app belongs to, named by that slipway's own namespace.
pub const INSTALLATION: &str = "slipway.dev/installation";
/// Annotation on a namespace that slipway did not create: the time from which the app uses the namespace.
pub const ADOPTED: &str = "slipway.dev/adopted";
/// Annotation on the namespace of an app: the environment whose file the app has.
pub const ENVIRONMENT: &str = "slipway.dev/environment";
/// Label on a ConfigMap of keys in slipway's own namespace. The value is `users` or `admins`.
pub const KEYS: &str = "slipway.dev/keys";
/// Annotation on an image pull Secret: the registry that the credentials are for.
pub const REGISTRY: &str = "slipway.dev/registry";
/// On objects and release records: the deployed commit.
pub const COMMIT: &str = "slipway.dev/commit";
/// On release records: the user who pushed.
pub const PUSHER: &str = "slipway.dev/pusher";
/// On release records: the time at which the deploy ended, RFC 3339.
pub const FINISHED: &str = "slipway.dev/finished";
/// On a pending release record: the time at which all objects of the revision were ready, RFC 3339. Then its deploy has only to
/// remove objects that earlier revisions had.
pub const READY: &str = "slipway.dev/ready";
/// On a release record: the branch that git could not move to the commit, although the release is live.
pub const UNMOVED_BRANCH: &str = "slipway.dev/unmoved-branch";
/// On release records and the deploy Lease: the slipway process that wrote them.
pub const INSTANCE: &str = "slipway.dev/instance";
/// On release records: the digest of the image.
pub const IMAGE_DIGEST: &str = "slipway.dev/image-digest";
/// On release records and the deploy Lease: the token of one acquisition of the lock. After a lost response, the token
/// tells whether the stored object is this process's own write.
pub const LOCK_ID: &str = "slipway.dev/lock";
/// On a Deployment: the number of pods that the app's files ask for.
pub const REPLICAS: &str = "slipway.dev/replicas";
/// On a Job: the step of the release phase that it is.
pub const PHASE: &str = "slipway.dev/phase";
/// On a Deployment: the number of pods for a new one; it changes nothing later, but that an autoscaled Deployment without
/// pods gets so many.
pub const INITIAL_REPLICAS: &str = "slipway.dev/initial-replicas";
/// On a Deployment: the number of pods before the files' number was applied.
pub const REPLICAS_BEFORE: &str = "slipway.dev/replicas-before";
