//! What one stage of a deploy hands to the next.

use std::path::PathBuf;

use super::names::{AppName, BranchName, CommitSha, Digest, ImageRef, UserName};

/// Where the objects of a commit are read from.
#[derive(Debug, Clone)]
pub struct ObjectStore {
    /// The bare repository.
    pub repository: PathBuf,
    /// Set while a push is being decided: its objects are not in the repository yet.
    pub quarantine: Option<Quarantine>,
}

/// git's quarantine: a hook sees the pushed objects only with these variables set
/// (git-receive-pack(1), "Quarantine Environment").
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Quarantine {
    /// `GIT_QUARANTINE_PATH`
    pub path: PathBuf,
    /// `GIT_OBJECT_DIRECTORY`
    pub object_directory: PathBuf,
    /// `GIT_ALTERNATE_OBJECT_DIRECTORIES`
    pub alternates: String,
}

impl ObjectStore {
    /// The variables a git child needs to see the objects; `GIT_DIR` is among them.
    pub fn environment(&self) -> Vec<(&'static str, std::ffi::OsString)> {
        let mut variables = vec![("GIT_DIR", self.repository.clone().into_os_string())];
        if let Some(quarantine) = &self.quarantine {
            variables.push(("GIT_QUARANTINE_PATH", quarantine.path.clone().into_os_string()));
            variables.push(("GIT_OBJECT_DIRECTORY", quarantine.object_directory.clone().into_os_string()));
            variables.push(("GIT_ALTERNATE_OBJECT_DIRECTORIES", quarantine.alternates.clone().into()));
        }
        variables
    }
}

/// A commit that was received and is to go live.
#[derive(Debug, Clone)]
pub struct PushedCommit {
    /// The app it was pushed to.
    pub app: AppName,
    /// The commit.
    pub commit: CommitSha,
    /// The branch it was pushed to.
    pub branch: BranchName,
    /// Who pushed.
    pub pusher: UserName,
    /// Where its objects are.
    pub objects: ObjectStore,
}

/// An image in the Engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltImage {
    /// The Engine's image id, `sha256:…`: the digest of the image's configuration.
    pub id: String,
    /// The port that the image exposes: the lowest TCP port of `EXPOSE`, if there is one.
    pub exposed_port: Option<u16>,
    /// The image's `USER`, empty where it names none.
    pub user: String,
}

/// An image in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedImage {
    /// How a pod pulls it: by digest, from the address that kubelets use.
    pub reference: ImageRef,
    /// The digest of its manifest, as the registry answered.
    pub digest: Digest,
}

/// The objects of a release, rendered and checked, in the order of the templates.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderedChart {
    /// The chart's name, which is the app's.
    pub name: String,
    /// The version of the template set.
    pub version: String,
    /// What the user deployed: `git describe` or the short commit.
    pub app_version: String,
    /// The values it was rendered with, as they go into the release record.
    pub values: serde_json::Value,
    /// What `helm get notes` shows.
    pub notes: Option<String>,
    /// The objects.
    pub manifests: Vec<Manifest>,
}

/// One object and the template it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The template's path inside its chart, such as `templates/deployment.yaml`.
    pub source: String,
    /// The object: a mapping with `apiVersion`, `kind` and `metadata.name`.
    pub object: serde_json::Value,
}

impl Manifest {
    /// The object's `apiVersion`.
    pub fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    /// The object's `kind`.
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    fn text(&self, pointer: &str) -> &str {
        self.object.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default()
    }
}
