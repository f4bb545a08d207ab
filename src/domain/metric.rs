//! Names of the metrics, by Prometheus' conventions: what is counted ends with `_total`, and a unit stands in the name.
//!
//! Rooms record them with the macros of the `metrics` crate, as they log with those of `tracing`: where nothing listens,
//! nothing is kept. <https://prometheus.io/docs/practices/naming/>

/// Always 1; the labels `version` and `commit` say what runs.
pub const BUILD_INFO: &str = "slipway_build_info";
/// 1 while a push could go live, else 0.
pub const READY: &str = "slipway_ready";
/// SSH connections that are open.
pub const SSH_CONNECTIONS: &str = "slipway_ssh_connections";
/// SSH connections that were made, by `result`: `accepted`, or `refused` because there were too many.
pub const SSH_CONNECTIONS_TOTAL: &str = "slipway_ssh_connections_total";
/// Public keys that were judged after their signature was verified, by `result`: `accepted` or `refused`.
pub const SSH_AUTHENTICATIONS_TOTAL: &str = "slipway_ssh_authentications_total";
/// Pushes that git received, by `result`: `deployed`, `stored`, `refused`, or `unchanged` where nothing was asked.
pub const RECEIVES_TOTAL: &str = "slipway_receives_total";
/// Deploys that run.
pub const DEPLOYS: &str = "slipway_deploys";
/// Deploys that ended, by `kind` (`push`, `redeploy`, `rollback`) and `result` (`deployed`, `failed`).
pub const DEPLOYS_TOTAL: &str = "slipway_deploys_total";
/// How long a deploy took, by `kind` and `result`.
pub const DEPLOY_SECONDS: &str = "slipway_deploy_duration_seconds";
/// How long each `phase` of a deploy took: `preflight`, `build`, `publish`, `release`.
pub const PHASE_SECONDS: &str = "slipway_deploy_phase_duration_seconds";
/// Deploys that were refused because another one of the app ran.
pub const LOCK_REFUSALS_TOTAL: &str = "slipway_lock_refusals_total";
/// Bytes of layers that went to the registry.
pub const REGISTRY_BYTES_TOTAL: &str = "slipway_registry_pushed_bytes_total";
/// Collections of the registry's garbage, by `result`: `collected` or `failed`.
pub const REGISTRY_COLLECTIONS_TOTAL: &str = "slipway_registry_collections_total";
/// 1 if what every push needs answers, else 0, by `dependency`: `kubernetes`, `engine` or `registry`.
pub const DEPENDENCY_UP: &str = "slipway_dependency_up";
/// Requests to the API server, by `method` (`WATCH` for a watch) and `code`; `error` where no answer came.
pub const API_REQUESTS_TOTAL: &str = "slipway_kubernetes_requests_total";
/// Watches that were interrupted and resumed, by what they `watch`: `keys` or `rollout`.
pub const WATCH_RESTARTS_TOTAL: &str = "slipway_watch_restarts_total";
/// Public keys that are known.
pub const KEYS: &str = "slipway_keys";
/// Public keys that let nobody in, since they stand under two users.
pub const KEYS_AMBIGUOUS: &str = "slipway_keys_ambiguous";
/// ConfigMaps of keys.
pub const KEY_MAPS: &str = "slipway_key_maps";
/// ConfigMaps of keys in which something is broken, so that what they held before counts on.
pub const KEY_MAPS_BROKEN: &str = "slipway_key_maps_broken";
/// Lines and entries in them that cannot be read.
pub const KEY_LINES_REJECTED: &str = "slipway_key_lines_rejected";
/// What all ConfigMaps of keys hold.
pub const KEY_MAPS_BYTES: &str = "slipway_key_maps_bytes";
