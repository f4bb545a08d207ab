//! The phases of a plan. Pure.

use std::fmt;

use serde::Serialize;

use super::step::Step;

/// A part of a rollout. The phases are performed in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RolloutPhase {
    /// Everything that does not move traffic by itself.
    Prepare,
    /// The new objects have to be ready.
    Check,
    /// The traffic moves to the new objects.
    Switch,
    /// Objects that only earlier revisions had are removed.
    Retire,
}

impl fmt::Display for RolloutPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Prepare => "prepare",
            Self::Check => "check",
            Self::Switch => "switch",
            Self::Retire => "retire",
        })
    }
}

/// The steps of each phase, in the order in which they are performed.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(in crate::release) struct RolloutPlan<'a> {
    pub prepare: Vec<Step<'a>>,
    pub check: Vec<Step<'a>>,
    pub switch: Vec<Step<'a>>,
    pub retire: Vec<Step<'a>>,
}

impl<'a> RolloutPlan<'a> {
    pub fn phases(&self) -> [(RolloutPhase, &[Step<'a>]); 4] {
        [
            (RolloutPhase::Prepare, &self.prepare),
            (RolloutPhase::Check, &self.check),
            (RolloutPhase::Switch, &self.switch),
            (RolloutPhase::Retire, &self.retire),
        ]
    }

    /// Whether the plan brings nothing new.
    pub fn is_removal(&self) -> bool {
        self.prepare.is_empty() && self.check.is_empty() && self.switch.is_empty()
    }
}

impl fmt::Display for RolloutPlan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (phase, steps) in self.phases() {
            writeln!(f, "{phase}{}", if steps.is_empty() { ": nothing" } else { "" })?;
            steps.iter().try_for_each(|step| writeln!(f, "  {step}"))?;
        }
        Ok(())
    }
}
