//! Waiting until the applied objects are ready, and finding out why one is not.
//!
//! [`waiter`] watches the objects and their pods. [`rollout`] follows one object from the watch events, with the
//! readiness rules of [`kind`]. [`pod_problem`] reads from a pod why it is not ready, and [`diagnostics`] adds its logs
//! and events.

mod diagnostics;
mod kind;
mod pod_problem;
mod probe;
mod rollout;
mod volume_binding;
mod waiter;
mod watch_store;

pub(super) use kind::has_readiness_rule;
pub(super) use waiter::ReadinessWaiter;
