//! Apps in the cluster. The namespace of an app states its name and its owner, and holds slipway's RoleBinding and the
//! pull secret.

mod adopt;
mod app;
mod cache;
mod claim;
mod delete;
mod environment;
mod error;
mod generated_values;
mod handle;
mod limit_ranges;
mod list;
mod owner;
mod pull_secret;
mod rbac;
mod scope;

pub use app::App;
pub use claim::Claim;
pub use delete::DeletionOutcome;
pub use error::AppsError;
pub use handle::Apps;
pub use pull_secret::{PULL_SECRET, PullSecret};
pub use rbac::{AppRoleBinding, ServiceAccount};
pub use scope::NamespaceScope;
