//! Where a release lives: cluster, namespace and release name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::names::{AppName, NameError, string_newtype};

/// The name of a cluster that slipway deploys to: an RFC 1123 label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClusterName(String);
string_newtype!(ClusterName);

impl ClusterName {
    const HOME: &str = "home";

    /// The cluster that slipway's own state is in.
    pub fn home() -> Self {
        Self(Self::HOME.to_owned())
    }

    pub fn is_home(&self) -> bool {
        self.0 == Self::HOME
    }
}

impl FromStr for ClusterName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        is_label(text).then(|| Self(text.to_owned())).ok_or_else(|| NameError::InvalidCluster(text.to_owned()))
    }
}

/// The name of a Kubernetes namespace: an RFC 1123 label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NamespaceName(String);
string_newtype!(NamespaceName);

impl FromStr for NamespaceName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        is_label(text).then(|| Self(text.to_owned())).ok_or_else(|| NameError::InvalidNamespace(text.to_owned()))
    }
}

/// The name of a Helm release: an RFC 1123 subdomain, of at most 53 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseName(String);
string_newtype!(ReleaseName);

impl ReleaseName {
    /// In characters. <https://github.com/helm/helm/blob/main/pkg/chart/common/util/validate_name.go>
    pub const MAX_LEN: usize = 53;
}

impl FromStr for ReleaseName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let valid = text.len() <= Self::MAX_LEN && text.split('.').all(is_label);
        valid.then(|| Self(text.to_owned())).ok_or_else(|| NameError::InvalidRelease(text.to_owned()))
    }
}

/// The longest RFC 1123 label, in characters.
const MAX_LABEL_LEN: usize = 63;

/// Whether `text` is an RFC 1123 label.
fn is_label(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let allowed = |c: char| edge(c) || c == '-';
    text.len() <= MAX_LABEL_LEN && text.starts_with(edge) && text.ends_with(edge) && text.chars().all(allowed)
}

/// The cluster, the namespace and the name of a release.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    pub cluster: ClusterName,
    pub namespace: NamespaceName,
    pub release: ReleaseName,
}

impl Target {
    /// The release of an app that is made by a push: in the home cluster, with namespace and release named after the
    /// app.
    pub fn of_app(app: &AppName) -> Self {
        Self {
            cluster: ClusterName::home(),
            // The rules for names of apps are stricter.
            namespace: NamespaceName(app.to_string()),
            release: ReleaseName(app.to_string()),
        }
    }

    /// Whether the release has the name of its namespace.
    pub fn is_named_after_namespace(&self) -> bool {
        self.release.as_str() == self.namespace.as_str()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster, namespace, release } = self;
        match (cluster.is_home(), self.is_named_after_namespace()) {
            (true, true) => write!(f, "{release}"),
            (true, false) => write!(f, "release {release} in namespace {namespace}"),
            (false, _) => write!(f, "release {release} in namespace {namespace} of cluster {cluster}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(cluster: &str, namespace: &str, release: &str) -> Target {
        Target {
            cluster: cluster.parse().unwrap(),
            namespace: namespace.parse().unwrap(),
            release: release.parse().unwrap(),
        }
    }

    #[test]
    fn the_release_of_an_app_has_the_name_of_its_namespace() {
        let web = Target::of_app(&"web".parse().unwrap());
        assert_eq!(web, target("home", "web", "web"));
        assert!(web.is_named_after_namespace());
        assert!(!target("home", "shop", "web").is_named_after_namespace());
    }

    #[test]
    fn two_targets_never_read_the_same() {
        for (cluster, namespace, release, text) in [
            ("home", "web", "web", "web"),
            ("home", "shop", "web", "release web in namespace shop"),
            ("eu", "web", "web", "release web in namespace web of cluster eu"),
            ("eu", "shop", "a.b", "release a.b in namespace shop of cluster eu"),
        ] {
            assert_eq!(target(cluster, namespace, release).to_string(), text);
        }
    }

    #[test]
    fn namespaces_and_clusters_have_rfc_1123_labels() {
        for good in ["a", "1a", "a-1", "default", &"a".repeat(63)] {
            assert_eq!(good.parse::<NamespaceName>().unwrap().as_str(), good);
            assert_eq!(good.parse::<ClusterName>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "a/b", "é", "a\n", &"a".repeat(64)] {
            assert_eq!(bad.parse::<NamespaceName>(), Err(NameError::InvalidNamespace(bad.to_owned())));
            assert_eq!(bad.parse::<ClusterName>(), Err(NameError::InvalidCluster(bad.to_owned())));
        }
    }

    #[test]
    fn release_names_follow_helms_rule() {
        for good in ["a", "1a", "a.b-c.d", "a.v1", &"a".repeat(53)] {
            assert_eq!(good.parse::<ReleaseName>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a.-b", "-a", "a-", "A", "a_b", "a/b", "a\n", &"a".repeat(54)] {
            assert_eq!(bad.parse::<ReleaseName>(), Err(NameError::InvalidRelease(bad.to_owned())));
        }
    }

    #[test]
    fn a_target_is_stored_by_its_names_and_checked_when_read() {
        let json = r#"{"cluster":"home","namespace":"shop","release":"web"}"#;
        let shop = target("home", "shop", "web");
        assert_eq!(serde_json::to_string(&shop).unwrap(), json);
        assert_eq!(serde_json::from_str::<Target>(json).unwrap(), shop);
        let error = serde_json::from_str::<Target>(&json.replace("shop", "../shop")).unwrap_err();
        assert!(error.to_string().starts_with("invalid namespace \"../shop\": use lower-case letters"), "{error}");
    }
}
