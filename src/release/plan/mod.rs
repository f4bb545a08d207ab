//! A rollout as a value: phases of steps that one executor ([`super::roll_out`]) performs. Pure.
//!
//! An upgrade is a [`rolling_update`]; rollbacks, automatic rollbacks and recoveries are [`restoration`]s; the removal of
//! a failed first release and an uninstall are a [`removal`].

mod removal;
mod restoration;
mod rolling_update;
mod rollout_plan;
mod step;
#[cfg(test)]
mod tests;

pub(super) use removal::removal;
pub(super) use restoration::restoration;
pub(super) use rolling_update::{PreviousObjects, rolling_update};
pub use rollout_plan::RolloutPhase;
pub(super) use rollout_plan::RolloutPlan;
pub(super) use step::Step;
