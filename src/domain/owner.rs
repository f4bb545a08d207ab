//! The owner of an app.

use super::names::UserName;

/// The owner of an app, as the namespace of the app says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppOwner {
    /// There is no app of this name: the name is free.
    None,
    /// A user of this slipway.
    User(UserName),
    /// The namespace belongs to another slipway, which runs in the namespace of this name.
    OtherInstallation(String),
    /// The namespace exists and belongs to no slipway: it was created by other means.
    Foreign,
}
