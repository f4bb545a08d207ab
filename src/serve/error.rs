//! Errors of the start.

use crate::telemetry::error_chain;

/// Why slipway did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("{flag}: {reason}")]
    InvalidSetting { flag: &'static str, reason: String },
    #[error("cannot {action}: {reason}")]
    Startup { action: &'static str, reason: String },
}

impl ServeError {
    /// 2 for an invalid setting, as for errors of the command line; else 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::InvalidSetting { .. } => 2,
            Self::Startup { .. } => 1,
        }
    }
}

pub(super) fn invalid_setting(flag: &'static str) -> impl Fn(&dyn std::error::Error) -> ServeError {
    move |error| ServeError::InvalidSetting { flag, reason: error_chain(error) }
}

/// `action` completes "cannot …".
pub(super) fn cannot(action: &'static str) -> impl Fn(&dyn std::error::Error) -> ServeError {
    move |error| ServeError::Startup { action, reason: error_chain(error) }
}
