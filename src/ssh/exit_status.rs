//! The exit status of a command.

/// A command's exit status, as the client receives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExitStatus(pub u8);

impl ExitStatus {
    pub const OK: Self = Self(0);
    pub const FAILED: Self = Self(1);
    /// The command line is invalid.
    pub const USAGE: Self = Self(2);
    /// A bug in slipway (EX_SOFTWARE in sysexits.h).
    pub const INTERNAL: Self = Self(70);
}
