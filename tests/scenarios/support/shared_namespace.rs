//! A namespace that several releases share. The release engine is driven as a library, since no command makes such a
//! release yet.

use std::num::NonZeroUsize;
use std::process::Command;
use std::time::Duration;

use kube::Client;
use serde_json::{Value, json};
use slipway::domain::{ClusterName, Digest, Manifest, Progress, RenderedChart, Revision, Target};
use slipway::release::lock::{self, HolderInfo, LockError, ProcessIdentity, ReleaseLock};
use slipway::release::{
    self, OnFailure, OnFieldConflict, Recovered, RecoveryOutcome, ReleaseError, ReleaseHistory, ReleasePhase, Released,
    RollbackOptions, RolloutLimits, UpgradeContext, UpgradeRequest,
};

use super::helm::write_chart;
use super::process::{Output, try_run};
use super::{base_image, environment, eventually, kubectl, wait_until};

const ROLLOUT_TIMEOUT: Duration = Duration::from_secs(120);

/// The namespace, which is deleted when the value is dropped.
pub struct SharedNamespace {
    pub name: String,
    pub client: Client,
}

impl SharedNamespace {
    pub async fn create() -> Self {
        base_image();
        let name = environment::unique_name("shared");
        kubectl(&["create", "namespace", &name]);
        Self { name, client: slipway::k8s::client_from_env().await.unwrap().0 }
    }

    pub fn release(&self, name: &str) -> SharedRelease {
        let target = Target {
            cluster: ClusterName::home(),
            namespace: self.name.parse().unwrap(),
            release: name.parse().unwrap(),
        };
        SharedRelease { target, client: self.client.clone() }
    }

    /// `helm ARGUMENTS` in the namespace; the command may fail.
    pub fn helm(&self, arguments: &[&str]) -> Output {
        helm(&self.name, arguments)
    }

    /// Name, revision and status of each release that `helm list` shows.
    pub fn helm_list(&self) -> Vec<String> {
        let list: Value = serde_json::from_str(&self.helm(&["list", "-o", "json"]).ok().stdout).unwrap();
        let text = |release: &Value, key: &str| release[key].as_str().unwrap().to_owned();
        let row = |release: &Value| ["name", "revision", "status"].map(|key| text(release, key)).join(" ");
        list.as_array().unwrap().iter().map(row).collect()
    }

    pub fn get(&self, kind: &str, name: &str) -> Option<Value> {
        kubectl::get(&[kind, name, "-n", &self.name])
    }

    /// The name of the release that an object belongs to, if the object exists.
    pub fn owner_of(&self, kind: &str, name: &str) -> Option<String> {
        let object = self.get(kind, name)?;
        Some(object["metadata"]["annotations"]["meta.helm.sh/release-name"].as_str().unwrap().to_owned())
    }
}

impl Drop for SharedNamespace {
    fn drop(&mut self) {
        kubectl::delete_in_background("namespace", &self.name);
    }
}

/// One release of the namespace.
#[derive(Clone)]
pub struct SharedRelease {
    pub target: Target,
    client: Client,
}

impl SharedRelease {
    /// `helm upgrade --install --wait` of this release, as a user of helm.
    pub fn upgrade_with_helm(&self, page: &str, more: &str) {
        let chart = write_chart(&self.objects(page, more));
        let arguments = ["upgrade", "--install", &self.name(), chart.path().to_str().unwrap(), "--wait"];
        helm(self.target.namespace.as_str(), &arguments).ok();
    }

    pub fn name(&self) -> String {
        self.target.release.to_string()
    }

    /// The name of the release's Deployment and Service, which may not contain dots.
    pub fn object_name(&self) -> String {
        self.name().replace('.', "-")
    }

    /// The YAML of a web server that serves `page`, and of a ConfigMap for each name in `more`.
    pub fn objects(&self, page: &str, more: &str) -> String {
        let fixture = include_str!("../fixtures/shared-release.yaml");
        let objects = fixture.replace("NAME", &self.object_name()).replace("PAGE", page);
        let config_map = |name| format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
        objects.replace("BASE_IMAGE", base_image()) + &more.split_whitespace().map(config_map).collect::<String>()
    }

    pub async fn try_lock(&self, process: &ProcessIdentity) -> Result<ReleaseLock, LockError> {
        lock::acquire(&self.client, &self.target, process, &HolderInfo::default()).await
    }

    /// Takes the lock as a gateway of its own.
    pub async fn lock(&self) -> ReleaseLock {
        self.try_lock(&process("gateway")).await.unwrap()
    }

    /// Deploys a page, with the ConfigMaps `more`, as the next revision.
    pub async fn deploy(&self, lock: &ReleaseLock, page: &str, more: &str) -> Result<Released, ReleaseError> {
        let history = ReleaseHistory::read(&self.client, &self.target).await?;
        let manifest_text = self.objects(page, more);
        let chart = self.chart(&manifest_text);
        let discovery =
            release::dry_run(&self.client, &self.target, &chart, Some(history), OnFieldConflict::Refuse).await?;
        let history = ReleaseHistory::read(&self.client, &self.target).await?;
        let request = UpgradeRequest {
            chart,
            manifest_text,
            commit: "4937c40e2b1f0d8a6c5e3b7f9a1d2c4e6f8091a2".parse().unwrap(),
            pusher: "alice".parse().unwrap(),
            digest: digest(page),
            revision: history.next_revision(),
            limits: RolloutLimits::new(ROLLOUT_TIMEOUT, None),
            on_failure: OnFailure::RollBack,
            on_conflict: OnFieldConflict::Refuse,
            release_phase: ReleasePhase::Run,
        };
        let context = UpgradeContext { history, discovery };
        Box::pin(release::upgrade(&self.client, lock, context, request, &no_progress())).await
    }

    /// [`SharedRelease::deploy`] with a lock of its own; must succeed.
    pub async fn deployed(&self, page: &str, more: &str) -> Released {
        let lock = self.lock().await;
        let released = Box::pin(self.deploy(&lock, page, more)).await.unwrap();
        lock.release().await;
        released
    }

    fn chart(&self, manifest_text: &str) -> RenderedChart {
        let objects: Vec<Value> = serde_yaml::from_multiple(manifest_text).unwrap();
        let source = "templates/all.yaml".to_owned();
        let manifests = objects.into_iter().map(|object| Manifest { source: source.clone(), object });
        RenderedChart {
            name: self.name(),
            version: "0.1.0".to_owned(),
            app_version: "4937c40".to_owned(),
            values: json!({}),
            notes: None,
            manifests: manifests.collect(),
        }
    }

    pub async fn roll_back(&self, to: u32) -> Released {
        let request = RollbackOptions {
            to: Some(Revision(to)),
            by: "alice".parse().unwrap(),
            limits: RolloutLimits::new(ROLLOUT_TIMEOUT, None),
            on_failure: OnFailure::RollBack,
            release_phase: ReleasePhase::Run,
        };
        let lock = self.lock().await;
        let rolled_back = Box::pin(release::rollback(&self.client, &lock, request, &no_progress())).await.unwrap();
        lock.release().await;
        rolled_back.released
    }

    pub async fn recover(&self) -> Recovered {
        let (lock, limits) = (self.lock().await, RolloutLimits::new(ROLLOUT_TIMEOUT, None));
        let outcome = Box::pin(release::recover(&self.client, &lock, limits, &no_progress())).await.unwrap();
        lock.release().await;
        let RecoveryOutcome::Recovered(recovered) = outcome else { panic!("no revision was pending") };
        recovered
    }

    pub async fn trim_history(&self, keep: usize) -> Vec<Digest> {
        let lock = self.lock().await;
        let images = release::trim_history(&self.client, &lock, NonZeroUsize::new(keep).unwrap()).await.unwrap();
        lock.release().await;
        images
    }

    pub async fn uninstall(&self) {
        let lock = self.lock().await;
        Box::pin(release::uninstall(&self.client, &lock, &no_progress())).await.unwrap();
        lock.release().await;
    }

    /// Number and status of each revision, the oldest first.
    pub async fn history(&self) -> Vec<String> {
        let revisions = release::list_releases(&self.client, &self.target, usize::MAX).await.unwrap();
        revisions.iter().map(|info| format!("{} {}", info.revision, info.status.as_str())).collect()
    }

    /// Waits until the release's Service serves this page.
    #[track_caller]
    pub fn shows(&self, page: &str) {
        let service = kubectl::get(&["service", &self.object_name(), "-n", self.target.namespace.as_str()]);
        let url = format!("http://{}/", service.expect("a Service")["spec"]["clusterIP"].as_str().unwrap());
        wait_until(&format!("the page {page:?} of {}", self.target), || {
            eventually("a response", || {
                let output = try_run(Command::new("curl").args(["-sS", "--fail", "--max-time", "2", &url]));
                (output.code == Some(0)).then_some(output.stdout)
            })
            .trim()
                == page
        });
    }
}

fn helm(namespace: &str, arguments: &[&str]) -> Output {
    try_run(Command::new("helm").args(arguments).args(["--namespace", namespace]))
}

/// A gateway process that was just started.
pub fn process(identity: &str) -> ProcessIdentity {
    ProcessIdentity { identity: identity.to_owned(), instance: uuid::Uuid::new_v4() }
}

/// The digest of an image that only this page has.
pub fn digest(page: &str) -> Digest {
    let number = page.bytes().fold(0_u64, |number, byte| number * 31 + u64::from(byte));
    format!("sha256:{number:064x}").parse().unwrap()
}

fn no_progress() -> Progress {
    Progress::channel().0
}
