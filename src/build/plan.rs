//! What a build is asked to do.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::{AppName, labels};

/// The name a Dockerfile is looked for under.
pub const DOCKERFILE: &str = "Dockerfile";

/// One build, decided: what the Engine is told beside the files.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildPlan {
    /// The path of the Dockerfile in the tree.
    pub dockerfile: String,
    /// Build arguments; see [`super::dockerfile::declared_only`].
    pub args: BTreeMap<String, String>,
    /// Labels of the image. Nothing that changes from commit to commit: the same tree has to give the
    /// same image.
    pub labels: BTreeMap<String, String>,
    /// The name the image gets in the Engine.
    pub tag: String,
    /// How long the build may take; waiting for a free place does not count.
    pub timeout: Duration,
}

impl BuildPlan {
    /// A build of an app's Dockerfile, without arguments.
    pub fn new(app: &AppName, dockerfile: impl Into<String>, timeout: Duration) -> Self {
        Self {
            dockerfile: dockerfile.into(),
            args: BTreeMap::new(),
            labels: BTreeMap::from([(labels::APP.to_owned(), app.to_string())]),
            tag: local_tag(app),
            timeout,
        }
    }
}

/// The one name that the newest image of an app has in the Engine.
pub fn local_tag(app: &AppName) -> String {
    format!("slipway/{app}:latest")
}

/// The tree has no Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no Dockerfile: slipway looked for a file named {DOCKERFILE:?} at the top of the tree{}",
    similar(.0)
)]
pub struct NoDockerfile(Option<String>);

fn similar(name: &Option<String>) -> String {
    name.as_ref().map(|name| format!(", and found {name:?}, which is not that name")).unwrap_or_default()
}

/// Finds the Dockerfile among the entries at the top of a tree.
///
/// # Errors
/// [`NoDockerfile`], which says what was looked for.
pub fn find_dockerfile(top_level: &[String]) -> Result<String, NoDockerfile> {
    if top_level.iter().any(|name| name == DOCKERFILE) {
        return Ok(DOCKERFILE.to_owned());
    }
    let near = top_level.iter().find(|name| name.eq_ignore_ascii_case(DOCKERFILE) || *name == "Containerfile");
    Err(NoDockerfile(near.cloned()))
}

/// The files that may say what to leave out of the context; the first that exists counts.
pub fn ignore_files(dockerfile: &str) -> [String; 2] {
    [format!("{dockerfile}.dockerignore"), ".dockerignore".to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_missing_dockerfile_is_told_with_what_was_looked_for() {
        assert_eq!(find_dockerfile(&names(&["a", "Dockerfile"])).unwrap(), "Dockerfile");
        let error = find_dockerfile(&names(&["src"])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "there is no Dockerfile: slipway looked for a file named \"Dockerfile\" at the top of the tree"
        );
        let error = find_dockerfile(&names(&["dockerfile"])).unwrap_err();
        assert!(error.to_string().ends_with("found \"dockerfile\", which is not that name"), "{error}");
    }

    #[test]
    fn the_labels_of_an_image_do_not_depend_on_the_commit() {
        let plan = BuildPlan::new(&"myapp".parse().unwrap(), DOCKERFILE, Duration::from_secs(1));
        assert_eq!(plan.labels, BTreeMap::from([("slipway.dev/app".to_owned(), "myapp".to_owned())]));
        assert_eq!(plan.tag, "slipway/myapp:latest");
    }
}
