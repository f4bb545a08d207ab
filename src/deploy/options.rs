//! Options of a deploy: push options (`git push -o`), or flags of a command.

use crate::release::{OnFailure, OnFieldConflict, ReleasePhase};
use crate::spec::Environment;

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

/// The environment that a push asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum EnvironmentOption {
    /// The app's own.
    #[default]
    Keep,
    /// From this push on.
    Set(Option<Environment>),
}

/// The options of a push.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PushOptions {
    pub mode: DeployMode,
    pub environment: EnvironmentOption,
    pub deploy: DeployOptions,
}

/// An unknown option is an error, so that a typo is noticed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    #[error(
        "unknown push option {0:?}: the options are -o dry-run, -o env=NAME, -o force-conflicts, -o no-rollback, \
         -o skip-release-phase and -o wait"
    )]
    Unknown(String),
    #[error("push option env: {0}")]
    Environment(String),
}

impl PushOptions {
    /// # Errors
    /// [`OptionError`]
    pub fn parse(options: &[String]) -> Result<Self, OptionError> {
        let mut parsed = Self::default();
        for option in options {
            match option.as_str() {
                "dry-run" => parsed.mode = DeployMode::DryRun,
                "wait" => parsed.deploy.when_locked = WhenLocked::Wait,
                "no-rollback" => parsed.deploy.on_failure = OnFailure::Keep,
                "skip-release-phase" => parsed.deploy.release_phase = ReleasePhase::Skip,
                "force-conflicts" => parsed.deploy.on_conflict = OnFieldConflict::Force,
                option => match option.strip_prefix("env=") {
                    Some(name) => parsed.environment = parse_environment(name)?,
                    None => return Err(OptionError::Unknown(option.to_owned())),
                },
            }
        }
        Ok(parsed)
    }
}

/// `env=` without a name takes the environment away.
fn parse_environment(name: &str) -> Result<EnvironmentOption, OptionError> {
    let environment = (!name.is_empty()).then(|| name.parse()).transpose().map_err(OptionError::Environment)?;
    Ok(EnvironmentOption::Set(environment))
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
        let environment = EnvironmentOption::Set(Some("staging".parse().unwrap()));
        let all = PushOptions { mode: DeployMode::DryRun, environment, deploy };
        assert_eq!(
            PushOptions::parse(
                &["wait", "no-rollback", "force-conflicts", "skip-release-phase", "dry-run", "env=staging"]
                    .map(str::to_owned)
            ),
            Ok(all)
        );
        for unknown in ["", "Wait", "wait\n", "wait=1", "dry"] {
            assert_eq!(PushOptions::parse(&[unknown.into()]), Err(OptionError::Unknown(unknown.into())));
        }
        assert_eq!(PushOptions::parse(&["env=".into()]).unwrap().environment, EnvironmentOption::Set(None));
        assert!(matches!(PushOptions::parse(&["env=../a".into()]), Err(OptionError::Environment(_))));
    }
}
