//! What may be said of a deploy: with `git push -o`, or as flags of a command. Pure.

use crate::release::OnFailure;

/// How a deploy is to be done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeployOptions {
    /// Wait for a running deploy of the app instead of failing at once.
    pub wait: bool,
    /// Build, and say what would change, but deploy nothing.
    pub dry_run: bool,
    /// If it fails, keep what it left instead of bringing back what ran before.
    pub no_rollback: bool,
}

/// An option that nobody knows, refused so that a misspelt one is noticed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown push option {0:?}: there are -o dry-run, -o no-rollback and -o wait")]
pub struct UnknownOption(String);

impl DeployOptions {
    /// Reads the options of one push.
    ///
    /// # Errors
    /// [`UnknownOption`]
    pub fn parse(options: &[String]) -> Result<Self, UnknownOption> {
        let mut known = Self::default();
        for option in options {
            match option.as_str() {
                "dry-run" => known.dry_run = true,
                "wait" => known.wait = true,
                "no-rollback" => known.no_rollback = true,
                unknown => return Err(UnknownOption(unknown.to_owned())),
            }
        }
        Ok(known)
    }

    pub(super) fn on_failure(self) -> OnFailure {
        if self.no_rollback { OnFailure::Keep } else { OnFailure::Undo }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_known_to_the_letter() {
        assert_eq!(DeployOptions::parse(&[]), Ok(DeployOptions::default()));
        let all = DeployOptions { wait: true, dry_run: true, no_rollback: true };
        assert_eq!(DeployOptions::parse(&["wait", "no-rollback", "dry-run"].map(str::to_owned)), Ok(all));
        for unknown in ["", "Wait", "wait\n", "wait=1", "dry"] {
            assert_eq!(DeployOptions::parse(&[unknown.into()]), Err(UnknownOption(unknown.into())));
        }
    }
}
