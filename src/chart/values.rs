//! The values with which a chart is rendered.

use std::num::NonZeroU16;

use serde::Serialize;

use super::rollout_times::RolloutTimes;
use crate::domain::app_spec::{Process, ProcessName};
use crate::domain::{AppName, AppSpec, CommitSha, ImageRef, KubeVersion, LimitedResources, Revision, UserName};

/// The port if neither the user nor the image sets one.
const DEFAULT_PORT: u16 = 8080;

/// Everything from which a release is rendered. The release record stores it as JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Values {
    /// The name of the objects and of their namespace.
    pub app: AppName,
    /// The image by digest.
    pub image: ImageRef,
    /// `git describe` of the commit, or its short id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitSha>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pusher: Option<UserName>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_port: Option<u16>,
    /// The image's `USER`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The Secret with which kubelets pull the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_secret: Option<String>,
    #[serde(flatten)]
    pub times: RolloutTimes,
    /// The version of the API server that receives the objects.
    #[serde(skip)]
    pub kube_version: KubeVersion,
    #[serde(skip)]
    pub limited_resources: LimitedResources,
    /// The number of the revision; none in a rendering before the history is read.
    #[serde(skip)]
    pub revision: Option<Revision>,
    #[serde(flatten)]
    pub spec: AppSpec,
}

impl Values {
    pub fn new(app: AppName, image: ImageRef) -> Self {
        Self {
            app,
            image,
            version: None,
            commit: None,
            pusher: None,
            exposed_port: None,
            user: String::new(),
            pull_secret: None,
            times: RolloutTimes::default(),
            kube_version: KubeVersion::default(),
            limited_resources: LimitedResources::default(),
            revision: None,
            spec: AppSpec::default(),
        }
    }

    /// The port on which a process listens: the app's, or for `web` the image's, else 8080.
    pub(super) fn port_of(&self, name: &ProcessName, process: &Process) -> Option<u16> {
        let images = || name.is_web().then(|| self.exposed_port.filter(|port| *port != 0).unwrap_or(DEFAULT_PORT));
        process.port.map(NonZeroU16::get).or_else(images)
    }

    /// The name of the objects of a process.
    pub(super) fn object_name(&self, process: &ProcessName) -> String {
        if process.is_web() { self.app.to_string() } else { format!("{}-{process}", self.app) }
    }

    /// Whether the image's `USER` is a number other than 0. A kubelet cannot check for a user name that it is not root.
    pub(super) fn is_non_root(&self) -> bool {
        let user = self.user.split(':').next().unwrap_or_default();
        user.bytes().all(|b| b.is_ascii_digit()) && user.parse::<u32>().is_ok_and(|uid| uid != 0)
    }

    /// [`Values::version`] with the characters and length of a label value.
    pub(super) fn version_label(&self) -> Option<String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let not_edge = |c: char| !c.is_ascii_alphanumeric();
        let version: String =
            self.version.as_deref()?.chars().map(|c| if allowed(c) { c } else { '_' }).take(63).collect();
        let version = version.trim_matches(not_edge);
        (!version.is_empty()).then(|| version.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_numeric_user_other_than_zero_is_non_root() {
        let mut values = Values::new("a".parse().unwrap(), ImageRef::verbatim("i"));
        for (user, non_root) in [
            ("1000", true),
            ("1000:1000", true),
            ("65532:app", true),
            ("", false),
            ("0", false),
            ("0:0", false),
            ("00", false),
            ("app", false),
            ("+1", false),
            ("root:1000", false),
            ("99999999999", false),
        ] {
            values.user = user.to_owned();
            assert_eq!(values.is_non_root(), non_root, "{user:?}");
        }
    }

    #[test]
    fn a_version_becomes_a_valid_label_value() {
        let label = |version: &str| {
            let mut values = Values::new("a".parse().unwrap(), ImageRef::verbatim("i"));
            values.version = Some(version.to_owned());
            values.version_label()
        };
        assert_eq!(label("v1.2-3-gabcdef0").as_deref(), Some("v1.2-3-gabcdef0"));
        assert_eq!(label("release/1.0+é").as_deref(), Some("release_1.0"));
        assert_eq!(label("//"), None);
        assert_eq!(label(&"x".repeat(99)).map(|label| label.len()), Some(63));
    }
}
