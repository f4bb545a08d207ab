//! What slipway does, shown with the real parts: git, the OpenSSH client, the Docker Engine, a
//! registry, Kubernetes. `make test` starts them and sets the environment that `support::world` reads.
//!
//! Every test has a gateway and apps of its own, so all of them can run side by side.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

mod alerts;
mod api_faults;
mod build;
mod builds;
mod cancel;
mod chart;
mod clock;
mod cost;
mod destroy;
mod dry_run;
mod earlier_state;
mod every_write;
mod faults;
mod helm;
mod in_cluster;
mod keys;
mod keys_broken;
mod kill;
mod kinds;
mod limits;
mod lock;
mod pull_secret;
mod push;
mod reach;
mod refs;
mod refusals;
mod refused_by_the_cluster;
mod releases;
mod remote_engine;
mod render;
mod rollback;
mod rollout;
mod serve;
mod traces;
