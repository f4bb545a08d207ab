//! The purpose of an apply, and the obstacles that it overrides. Pure.

/// The choice of a deploy where other field managers own fields that its chart sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnFieldConflict {
    /// The deploy is refused.
    #[default]
    Refuse,
    /// The fields are taken from their managers.
    Force,
}

/// The purpose of an apply, which decides what it overrides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ApplyMode {
    /// The objects of a new revision.
    Deploy(OnFieldConflict),
    /// The objects of an earlier revision come back, whatever happened since: fields are taken from other managers, and
    /// unfinished Jobs are replaced.
    Restore,
}

impl ApplyMode {
    pub fn forces_conflicts(self) -> bool {
        matches!(self, Self::Restore | Self::Deploy(OnFieldConflict::Force))
    }

    pub fn replaces_unfinished_jobs(self) -> bool {
        self == Self::Restore
    }
}
