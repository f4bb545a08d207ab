//! A rollout as a value: phases of steps that one executor ([`super::roll_out`]) performs. Pure.
//!
//! Upgrades, rollbacks, automatic rollbacks and recoveries are [`rolling_update`]s; the removal of a failed first
//! release and an uninstall are a [`removal`].

mod removal;
mod rolling_update;
mod rollout_plan;
mod step;
#[cfg(test)]
mod tests;

pub(super) use removal::removal;
pub(super) use rolling_update::{PreviousObjects, rolling_update};
pub use rollout_plan::RolloutPhase;
pub(super) use rollout_plan::RolloutPlan;
pub(super) use step::Step;
