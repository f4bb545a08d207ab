//! What a chart is rendered with.

use std::num::NonZeroU16;
use std::time::Duration;

use serde::Serialize;

use super::settings::Settings;
use crate::domain::{AppName, CommitSha, ImageRef, UserName};

/// The port of an image that exposes none.
const DEFAULT_PORT: u16 = 8080;

/// Everything a release is rendered from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Values {
    /// The app: the name of its objects and of their namespace.
    pub app: AppName,
    /// The image, by digest.
    pub image: ImageRef,
    /// What the user deployed: `git describe` or the short commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitSha>,
    /// Who pushed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pusher: Option<UserName>,
    /// The port that the image exposes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_port: Option<u16>,
    /// The image's `USER`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// The Secret with which its pods' images are pulled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_secret: Option<String>,
    /// How long a rollout may make no progress.
    #[serde(rename = "rollout_timeout_seconds", serialize_with = "whole_seconds")]
    pub rollout_timeout: Duration,
    /// What the user set.
    #[serde(flatten)]
    pub settings: Settings,
}

fn whole_seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(duration.as_secs())
}

impl Values {
    /// The values of an app of which nothing but the image is known.
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
            rollout_timeout: Duration::from_secs(300),
            settings: Settings::default(),
        }
    }

    /// The port that the app listens on: what the user set, else the image's, else 8080.
    pub fn port(&self) -> u16 {
        let set = self.settings.port.map(NonZeroU16::get);
        set.or(self.exposed_port.filter(|port| *port != 0)).unwrap_or(DEFAULT_PORT)
    }

    /// Whether the image says, in a way that a kubelet can check, that it does not run as root:
    /// its `USER` is a number other than 0. Of a name a kubelet cannot tell.
    pub fn is_non_root(&self) -> bool {
        let user = self.user.split(':').next().unwrap_or_default();
        user.bytes().all(|b| b.is_ascii_digit()) && user.parse::<u32>().is_ok_and(|uid| uid != 0)
    }

    /// [`Values::version`] as a label may say it.
    pub(super) fn version_label(&self) -> Option<String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let edge = |c: char| !c.is_ascii_alphanumeric();
        let version: String =
            self.version.as_deref()?.chars().map(|c| if allowed(c) { c } else { '_' }).take(63).collect();
        let version = version.trim_matches(edge);
        (!version.is_empty()).then(|| version.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_other_than_zero_is_known_not_to_be_root() {
        let mut values = Values::new("a".parse().unwrap(), ImageRef::verbatim("i"));
        for (user, known) in [
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
            assert_eq!(values.is_non_root(), known, "{user:?}");
        }
    }

    #[test]
    fn a_version_becomes_a_label() {
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
