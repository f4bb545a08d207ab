//! The values that one stage of a deploy passes to the next.

use std::path::PathBuf;

use super::names::{AppName, BranchName, CommitSha, Digest, ImageRef, UserName};

/// The git objects of a commit: a bare repository, and git's quarantine while a push is being decided.
#[derive(Debug, Clone)]
pub struct GitObjects {
    pub repository: PathBuf,
    /// Set inside the pre-receive hook: the pushed objects are not in the repository yet.
    pub quarantine: Option<Quarantine>,
}

/// git's quarantine: a git process sees the pushed objects only if these variables are set
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

impl GitObjects {
    /// The environment variables with which a git process sees the objects, `GIT_DIR` included.
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

/// A received commit that is to be deployed.
#[derive(Debug, Clone)]
pub struct PushedCommit {
    pub app: AppName,
    pub commit: CommitSha,
    pub branch: BranchName,
    pub pusher: UserName,
    pub objects: GitObjects,
}

/// An image in the Engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltImage {
    /// The Engine's image id, `sha256:…`: the digest of the image's configuration.
    pub id: String,
    /// The lowest TCP port among the image's `EXPOSE` instructions.
    pub exposed_port: Option<u16>,
    /// The image's `USER`; empty if the image sets none.
    pub user: String,
    /// Whether the Dockerfile has a `HEALTHCHECK`.
    pub has_healthcheck: bool,
}

/// An image in the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedImage {
    /// The reference for pods: by digest, at the address that kubelets pull from.
    pub reference: ImageRef,
    /// The digest of the image's manifest, as the registry answered.
    pub digest: Digest,
}

/// The rendered and checked objects of a release, in the order of the templates.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderedChart {
    /// The name of the chart: the app's name.
    pub name: String,
    /// The version of the template set.
    pub version: String,
    /// `git describe` of the deployed commit, or its short id.
    pub app_version: String,
    /// The values of the rendering, as the release record stores them.
    pub values: serde_json::Value,
    /// The output of `helm get notes`.
    pub notes: Option<String>,
    pub manifests: Vec<Manifest>,
}

/// One object and the template that produced it.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The template's path inside its chart, such as `templates/deployment.yaml`.
    pub source: String,
    /// The object: a mapping with `apiVersion`, `kind` and `metadata.name`.
    pub object: serde_json::Value,
}

impl Manifest {
    pub fn api_version(&self) -> &str {
        self.text_at("/apiVersion")
    }

    pub fn kind(&self) -> &str {
        self.text_at("/kind")
    }

    pub fn name(&self) -> &str {
        self.text_at("/metadata/name")
    }

    fn text_at(&self, pointer: &str) -> &str {
        self.object.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default()
    }
}
