//! Whether what was applied runs, and why not.
//!
//! [`rule`] knows for each kind when an object is ready, [`rollout`] follows one object and its pods through what the
//! watches of [`watch`] report, [`explain`] reads a pod's trouble, and [`evidence`] asks for its logs and events.

mod cache;
mod evidence;
mod explain;
mod probe;
mod rollout;
mod rule;
mod watch;

pub(super) use watch::Watch;
