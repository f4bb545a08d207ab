//! Names of the metrics, after Prometheus' conventions: a counter ends with `_total`, and the unit is part of the name.
//!
//! Modules record metrics with the macros of the `metrics` crate where the measured thing happens.
//! <https://prometheus.io/docs/practices/naming/>

/// Always 1; the labels `version` and `commit` identify the running slipway.
pub const BUILD_INFO: &str = "slipway_build_info";
/// 1 if slipway is ready to accept pushes, else 0.
pub const READY: &str = "slipway_ready";
/// Open SSH connections.
pub const SSH_CONNECTIONS: &str = "slipway_ssh_connections";
/// SSH connections, by `result`: `accepted`, or `refused` because of the connection limit.
pub const SSH_CONNECTIONS_TOTAL: &str = "slipway_ssh_connections_total";
/// Authentications with a verified signature, by `result`: `accepted` or `refused`.
pub const SSH_AUTHENTICATIONS_TOTAL: &str = "slipway_ssh_authentications_total";
/// Pushes that git received, by `result`: `deployed`, `stored`, `refused`, or `unchanged` if git had nothing to update.
pub const RECEIVES_TOTAL: &str = "slipway_receives_total";
/// Running deploys.
pub const DEPLOYS: &str = "slipway_deploys";
/// Finished deploys, by `kind` (`push`, `redeploy`, `rollback`) and `result` (`deployed`, `failed`).
pub const DEPLOYS_TOTAL: &str = "slipway_deploys_total";
/// Duration of a deploy, by `kind` and `result`.
pub const DEPLOY_SECONDS: &str = "slipway_deploy_duration_seconds";
/// Duration of each `phase` of a deploy: `preflight`, `build`, `publish`, `release`.
pub const PHASE_SECONDS: &str = "slipway_deploy_phase_duration_seconds";
/// Deploys that were refused because another deploy of the app held the lock.
pub const LOCK_REFUSALS_TOTAL: &str = "slipway_lock_refusals_total";
/// Bytes of image layers pushed to the registry.
pub const REGISTRY_BYTES_TOTAL: &str = "slipway_registry_pushed_bytes_total";
/// Garbage collections of the registry, by `result`: `collected` or `failed`.
pub const REGISTRY_COLLECTIONS_TOTAL: &str = "slipway_registry_collections_total";
/// 1 if a service that every push needs is healthy, else 0, by `dependency`: `kubernetes`, `engine` or `registry`.
pub const DEPENDENCY_UP: &str = "slipway_dependency_up";
/// Requests to the API server, by `method` (`WATCH` for a watch) and `code` (`error` if no response arrived).
pub const API_REQUESTS_TOTAL: &str = "slipway_kubernetes_requests_total";
/// Watches that were interrupted and restarted, by `watch`: `apps`, `keys` or `rollout`.
pub const WATCH_RESTARTS_TOTAL: &str = "slipway_watch_restarts_total";
/// Public keys in the key store.
pub const KEYS: &str = "slipway_keys";
/// Public keys that cannot log in because more than one user has them.
pub const KEYS_AMBIGUOUS: &str = "slipway_keys_ambiguous";
/// ConfigMaps of keys.
pub const KEY_MAPS: &str = "slipway_key_maps";
/// ConfigMaps of keys with an error: slipway keeps their last valid content.
pub const KEY_MAPS_BROKEN: &str = "slipway_key_maps_broken";
/// Unreadable lines and entries in ConfigMaps of keys.
pub const KEY_LINES_REJECTED: &str = "slipway_key_lines_rejected";
/// Total size of the ConfigMaps of keys.
pub const KEY_MAPS_BYTES: &str = "slipway_key_maps_bytes";
