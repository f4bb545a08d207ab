//! Scenarios against the real dependencies: git, the OpenSSH client, the Docker Engine, a registry, Kubernetes. `make test`
//! starts them, and sets the variables that `support::environment` reads.
//!
//! Every test has a gateway and apps of its own, so that the tests can run in parallel.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

mod adopted_charts;
mod api_server_faults;
mod app_files;
mod broken_key_config_maps;
mod builders;
mod cancellation;
mod chart;
mod clock_jumps;
mod cluster_policies;
mod cost;
mod deploy_lock;
mod deploy_logs;
mod destroy;
mod doctor;
mod dry_run;
mod examples;
mod failed_rollouts;
mod fetch;
mod field_conflicts;
mod full_disk;
mod generated_dockerfiles;
mod health;
mod helm_interoperability;
mod history_limit;
mod host_key;
mod in_cluster;
mod interrupted_removals;
mod keys;
mod kill_at_every_write;
mod kill_during_push;
mod limits;
mod lost_records;
mod maintenance;
mod missing_permissions;
mod object_kinds;
mod ownership;
mod prometheus;
mod pull_secret;
mod push;
mod refs;
mod refused_pushes;
mod registry_connectivity;
mod release_history;
mod release_phase;
mod release_records;
mod remote_engine;
mod render;
mod replicas;
mod restored_objects;
mod revoked_keys;
mod rollback;
mod rollout_verdicts;
mod service;
mod settings;
mod shared_namespace;
mod shutdown;
mod ssh_authentication;
mod telemetry;
mod traces;
mod traffic;
mod unreachable_dependencies;
mod untrusted_input;
mod upgrade_from_0_1;
