//! Errors of reading records.

use super::super::record::DecodeError;
use crate::domain::{Revision, Target};
use crate::k8s::ApiError;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why the records do not tell what was asked.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("the record of {revision} cannot be read: {source}")]
    UnreadableRecord { revision: Revision, source: DecodeError },
    #[error("the manifest recorded for {revision} cannot be read: {source}")]
    UnreadableManifest { revision: Revision, source: BoxError },
    #[error("{target} has no {revision}{}", releases_hint(target))]
    NoSuchRevision { target: Target, revision: Revision },
    /// The release does not exist, or was uninstalled.
    #[error("{0} has no deployed revision{hint}", hint = redeploy_hint(.0))]
    NotDeployed(Target),
    /// No earlier revision was deployed, or all of them have the same manifest.
    #[error("no earlier revision of {target} differs from {revision}")]
    NoPreviousRevision { target: Target, revision: Revision },
    #[error("an object cannot be written as YAML")]
    SerializeObject(#[source] BoxError),
}

impl QueryError {
    /// Whether a record is there, and its content is damaged.
    pub(in crate::release) fn is_unreadable(&self) -> bool {
        matches!(self, Self::UnreadableRecord { .. } | Self::UnreadableManifest { .. })
    }
}

/// The command deploys apps only.
fn redeploy_hint(target: &Target) -> String {
    if is_app(target) { format!("; to deploy its branch: redeploy {target}") } else { String::new() }
}

fn is_app(target: &Target) -> bool {
    target.cluster.is_home() && target.is_named_after_namespace()
}

/// The command lists the releases of apps only.
fn releases_hint(target: &Target) -> String {
    if is_app(target) { format!("; `releases {target}` lists its revisions") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_a_command_only_for_an_app() {
        let missing = |target| QueryError::NoSuchRevision { target, revision: Revision(9) }.to_string();
        let app = Target::of_app(&"web".parse().unwrap());
        let beside = Target { namespace: "shop".parse().unwrap(), ..app.clone() };
        assert_eq!(missing(app), "web has no v9; `releases web` lists its revisions");
        assert_eq!(missing(beside), "release web in namespace shop has no v9");
    }
}
