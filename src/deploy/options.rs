//! Options of a deploy: push options (`git push -o`), or flags of a command.

use crate::release::{OnFailure, OnFieldConflict, ReleasePhase};

/// The options of every deploy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeployOptions {
    pub when_locked: WhenLocked,
    pub on_failure: OnFailure,
    /// A rollback takes the fields of its revision in any case.
    pub on_conflict: OnFieldConflict,
    pub release_phase: ReleasePhase,
}

/// The choice of a deploy while another deploy holds the app's lock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WhenLocked {
    #[default]
    Fail,
    /// Waits, at most for [`lock_wait`](super::DeploySettings::lock_wait).
    Wait,
}

/// Whether the deploy of a commit changes the cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeployMode {
    #[default]
    Deploy,
    /// Builds, and shows the changes without deploying them.
    DryRun,
}

/// The options of a push.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PushOptions {
    pub mode: DeployMode,
    pub deploy: DeployOptions,
}

/// An unknown option is an error, so that a typo is noticed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown push option {0:?}: the options are -o dry-run, -o force-conflicts, -o no-rollback, -o skip-release-phase and \
     -o wait"
)]
pub struct UnknownOption(String);

impl PushOptions {
    /// # Errors
    /// [`UnknownOption`]
    pub fn parse(options: &[String]) -> Result<Self, UnknownOption> {
        let mut parsed = Self::default();
        for option in options {
            match option.as_str() {
                "dry-run" => parsed.mode = DeployMode::DryRun,
                "wait" => parsed.deploy.when_locked = WhenLocked::Wait,
                "no-rollback" => parsed.deploy.on_failure = OnFailure::Keep,
                "skip-release-phase" => parsed.deploy.release_phase = ReleasePhase::Skip,
                "force-conflicts" => parsed.deploy.on_conflict = OnFieldConflict::Force,
                unknown => return Err(UnknownOption(unknown.to_owned())),
            }
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_option_names_are_accepted() {
        assert_eq!(PushOptions::parse(&[]), Ok(PushOptions::default()));
        let (on_failure, on_conflict) = (OnFailure::Keep, OnFieldConflict::Force);
        let release_phase = ReleasePhase::Skip;
        let deploy = DeployOptions { when_locked: WhenLocked::Wait, on_failure, on_conflict, release_phase };
        let all = PushOptions { mode: DeployMode::DryRun, deploy };
        assert_eq!(
            PushOptions::parse(
                &["wait", "no-rollback", "force-conflicts", "skip-release-phase", "dry-run"].map(str::to_owned)
            ),
            Ok(all)
        );
        for unknown in ["", "Wait", "wait\n", "wait=1", "dry"] {
            assert_eq!(PushOptions::parse(&[unknown.into()]), Err(UnknownOption(unknown.into())));
        }
    }
}
