//! Waiting until the applied objects are ready, and finding out why one is not.
//!
//! [`waiter`] watches the objects and their pods. [`rollout`] follows one object from the watch events, with the
//! readiness rules of [`kind`]. [`find_problem`] reads from a pod and its history ([`pod_history`]) why the pod is not
//! ready, and [`diagnostics`] adds its logs and events. [`crash_policy`], [`start_error`], [`refusal`] and [`deadline`]
//! decide how long a problem is waited out.

mod container_end;
mod crash_policy;
mod deadline;
mod diagnostics;
mod events;
mod find_problem;
mod intervention;
mod kind;
mod live_problem;
mod pod_history;
mod pod_problem;
mod port_origin;
mod probe;
mod probe_hint;
mod progress_mark;
mod ready_condition;
mod refusal;
mod rollout;
mod start_error;
mod stuck_pod;
mod template;
mod volume_binding;
mod waiter;
mod watch_store;
mod watches;

pub(super) use kind::has_readiness_rule;
pub(super) use live_problem::find_live_problem;
pub(super) use port_origin::PortOrigin;
pub(super) use waiter::ReadinessWaiter;
