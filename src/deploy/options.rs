//! Options of a deploy: push options (`git push -o`), or flags of a command.

use crate::release::OnFailure;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeployOptions {
    /// Wait for the app's lock instead of failing at once.
    pub wait: bool,
    /// Build, and show the changes without deploying them.
    pub dry_run: bool,
    /// Keep a failed release instead of rolling back.
    pub no_rollback: bool,
}

/// An unknown option is an error, so that a typo is noticed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown push option {0:?}: the options are -o dry-run, -o no-rollback and -o wait")]
pub struct UnknownOption(String);

impl DeployOptions {
    /// Parses push options.
    ///
    /// # Errors
    /// [`UnknownOption`]
    pub fn parse(options: &[String]) -> Result<Self, UnknownOption> {
        let mut parsed = Self::default();
        for option in options {
            match option.as_str() {
                "dry-run" => parsed.dry_run = true,
                "wait" => parsed.wait = true,
                "no-rollback" => parsed.no_rollback = true,
                unknown => return Err(UnknownOption(unknown.to_owned())),
            }
        }
        Ok(parsed)
    }

    pub(super) fn on_failure(self) -> OnFailure {
        if self.no_rollback { OnFailure::Keep } else { OnFailure::RollBack }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_option_names_are_accepted() {
        assert_eq!(DeployOptions::parse(&[]), Ok(DeployOptions::default()));
        let all = DeployOptions { wait: true, dry_run: true, no_rollback: true };
        assert_eq!(DeployOptions::parse(&["wait", "no-rollback", "dry-run"].map(str::to_owned)), Ok(all));
        for unknown in ["", "Wait", "wait\n", "wait=1", "dry"] {
            assert_eq!(DeployOptions::parse(&[unknown.into()]), Err(UnknownOption(unknown.into())));
        }
    }
}
