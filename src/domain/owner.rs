//! Who owns an app.

use super::names::UserName;

/// The owner of an app, as the namespace of the app says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppOwner {
    /// There is no app of this name: the name is free.
    None,
    /// A user of this slipway.
    User(UserName),
    /// The namespace exists and does not belong to this slipway: it was created by other means, or belongs to another
    /// installation.
    Foreign,
}
