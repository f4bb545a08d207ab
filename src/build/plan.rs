//! The plan of a build.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::{AppName, labels};

const DOCKERFILE: &str = "Dockerfile";

/// The inputs of a build other than the files.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildPlan {
    /// The path of the Dockerfile in the context.
    pub dockerfile: String,
    /// The Dockerfile, if the context does not have it: it is added at the path of the Dockerfile.
    pub added: Option<AddedDockerfile>,
    /// The stage that is built; the last one by default.
    pub target: Option<String>,
    /// Such as `linux/arm64`; the Engine's own by default.
    pub platform: Option<String>,
    /// Build arguments. Of slipway's own only those that the Dockerfile declares; see [`super::keep_declared_args`].
    pub args: BTreeMap<String, String>,
    /// Labels of the image. None of them depends on the commit: the same tree has to result in the same image.
    pub labels: BTreeMap<String, String>,
    /// The name of the image in the Engine.
    pub tag: String,
    /// The limit of the build, which begins when the build has a slot.
    pub timeout: Duration,
}

/// A Dockerfile that is not in the context.
#[derive(Debug, Clone, PartialEq)]
pub struct AddedDockerfile {
    pub content: Vec<u8>,
    /// The name in messages.
    pub name: String,
}

impl BuildPlan {
    /// A build of an app's Dockerfile, without arguments.
    pub fn new(app: &AppName, dockerfile: impl Into<String>, timeout: Duration) -> Self {
        Self {
            dockerfile: dockerfile.into(),
            added: None,
            target: None,
            platform: None,
            args: BTreeMap::new(),
            labels: BTreeMap::from([(labels::APP.to_owned(), app.to_string())]),
            tag: local_tag(app),
            timeout,
        }
    }
}

/// The name of an app's newest image in the Engine.
pub(super) fn local_tag(app: &AppName) -> String {
    format!("slipway/{app}:latest")
}

/// The names, in any case, of files that may have been meant to be the Dockerfile.
pub(crate) const SIMILAR_NAMES: [&str; 2] = [DOCKERFILE, "Containerfile"];

/// The tree has no Dockerfile, and none can be generated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no Dockerfile: slipway needs a file named {DOCKERFILE:?} at the root of the repository{}\n\
     Without one, it looked for: {looked_for}", hint(.similar.as_deref())
)]
pub struct NoDockerfile {
    /// The path of a file that may have been meant.
    similar: Option<String>,
    /// The files from which a Dockerfile would be generated.
    looked_for: String,
}

fn hint(similar: Option<&str>) -> String {
    match similar.map(|path| (path, path.rsplit_once('/'))) {
        None => String::new(),
        Some((name, None)) => format!("; rename {name:?} to {DOCKERFILE:?}"),
        Some((path, Some((directory, _)))) => {
            let prefix = shell_words::quote(directory);
            format!(
                "; there is {path:?}: move it to the root, or push its directory alone with: \
                 git subtree push --prefix {prefix} REMOTE main"
            )
        }
    }
}

impl NoDockerfile {
    /// `similar` holds the paths of the files with one of [`SIMILAR_NAMES`], the ones nearest to the root first.
    pub(crate) fn new(similar: Vec<String>, looked_for: String) -> Self {
        Self { similar: similar.into_iter().next(), looked_for }
    }
}

/// Finds the Dockerfile among the entries at the root of a tree.
pub(crate) fn find_dockerfile(top_level: &[String]) -> Option<String> {
    top_level.iter().find(|name| *name == DOCKERFILE).cloned()
}

/// The paths of the ignore file; the first that exists is used.
pub(crate) fn ignore_file_candidates(dockerfile: &str) -> [String; 2] {
    [format!("{dockerfile}.dockerignore"), ".dockerignore".to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_missing_dockerfile_is_reported_with_the_expected_name() {
        assert_eq!(find_dockerfile(&names(&["a", "Dockerfile"])).as_deref(), Some("Dockerfile"));
        assert_eq!(find_dockerfile(&names(&["dockerfile"])), None);
        let error = |similar: &[&str]| NoDockerfile::new(names(similar), "go.mod (Go)".to_owned()).to_string();
        assert_eq!(
            error(&[]),
            "there is no Dockerfile: slipway needs a file named \"Dockerfile\" at the root of the repository\n\
             Without one, it looked for: go.mod (Go)"
        );
        let hint = error(&["dockerfile", "a/Dockerfile"]);
        assert!(hint.contains("; rename \"dockerfile\" to \"Dockerfile\"\n"), "{hint}");
        let hint = error(&["my app/web/Dockerfile"]);
        assert!(hint.contains("there is \"my app/web/Dockerfile\""), "{hint}");
        assert!(hint.contains("git subtree push --prefix 'my app/web' REMOTE main\n"), "{hint}");
    }

    #[test]
    fn the_labels_of_an_image_do_not_depend_on_the_commit() {
        let plan = BuildPlan::new(&"myapp".parse().unwrap(), DOCKERFILE, Duration::from_secs(1));
        assert_eq!(plan.labels, BTreeMap::from([("slipway.dev/app".to_owned(), "myapp".to_owned())]));
        assert_eq!(plan.tag, "slipway/myapp:latest");
    }
}
