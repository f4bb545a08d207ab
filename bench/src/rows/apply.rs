//! P9: applying ten objects, unchanged and changed. slipway's figure includes everything from acquiring the app's lock to
//! releasing it: the records, the rendering, the server-side dry run, the apply. helm and kubectl start as new processes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kube::Client;
use slipway::chart::{self, Templates, Values};
use slipway::domain::{AppName, CommitSha, ImageRef, Progress, Target, UserName};
use slipway::release::lock::{self, HolderInfo};
use slipway::release::{
    self, ApiDiscovery, OnFailure, OnFieldConflict, ReleaseHistory, ReleasePhase, RolloutLimits, UpgradeContext,
    UpgradeRequest,
};
use tokio::process::Command;

use crate::cluster;
use crate::command::{command, run_timed};
use crate::environment::BenchEnv;
use crate::gateway::ADMIN;
use crate::measurement::{Goal, Measurement, Ratio, Title};
use crate::sampling::{SamplePlan, sample_rounds};

const OBJECTS: usize = 10;
/// The number of revisions that helm and slipway keep by default.
const HISTORY_MAX: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN.saturating_add(9);

pub async fn measure(env: &BenchEnv) -> Result<Vec<Measurement>> {
    env.record_size("P9 objects", OBJECTS);
    let mut rows = Vec::new();
    for changes in [false, true] {
        let three_way = ThreeWay::prepare(env, changes).await?;
        let plan = env.plan(SamplePlan::DEFAULT, SamplePlan::new(1, 3));
        let mut round = 0;
        let measured = sample_rounds(plan, async || {
            round += 1;
            Ok([
                three_way.apply_with_slipway(round).await?,
                three_way.apply_with_helm(round).await?,
                three_way.apply_with_kubectl(round).await?,
            ])
        });
        let [ours, helm, kubectl] = measured.await?;
        let title = |baseline| Title { id: "P9", what: description(changes), baseline };
        let note = "slipway's figure includes the lock, the record and the dry run, and no process start, since slipway runs all the time";
        rows.push(
            Measurement::from_samples(title("helm upgrade"), "s", Ratio::OursToTheirs, Goal::AtMost(0.5), &ours, &helm)
                .with_note(note),
        );
        rows.push(Measurement::from_samples(
            title("kubectl apply --server-side"),
            "s",
            Ratio::OursToTheirs,
            Goal::AtMost(1.0),
            &ours,
            &kubectl,
        ));
    }
    Ok(rows)
}

fn description(changes: bool) -> &'static str {
    if changes { "applying ten objects, changed" } else { "applying ten objects, unchanged" }
}

/// The same objects for slipway, helm and kubectl, each in a namespace of its own.
struct ThreeWay {
    cluster: Client,
    app: AppName,
    templates: Templates,
    helm: (String, PathBuf),
    kubectl: (String, PathBuf),
    changes: bool,
}

impl ThreeWay {
    async fn prepare(env: &BenchEnv, changes: bool) -> Result<Self> {
        let kind = if changes { "changed" } else { "same" };
        let [app, helm, kubectl] =
            ["ours", "helm", "kubectl"].map(|who| env.unique_namespace(&format!("p9-{kind}-{who}")));
        let namespaces = vec![
            cluster::app_namespace(&app, ADMIN, "slipway"),
            cluster::unowned_namespace(&helm),
            cluster::unowned_namespace(&kubectl),
        ];
        cluster::create_namespaces(&env.cluster, namespaces).await?;
        let dir = env.disk.path().join(format!("p9-{kind}"));
        let templates = dir.join("slipway");
        write_templates(&templates, |number| config_map(number, if changes { "{{ commit }}" } else { "\"same\"" }))?;
        let chart = dir.join("helm");
        write_templates(&chart.join("templates"), |number| {
            config_map(number, if changes { "{{ .Values.commit | quote }}" } else { "\"same\"" })
        })?;
        std::fs::write(chart.join("Chart.yaml"), "apiVersion: v2\nname: ten\nversion: 0.1.0\n")
            .context("cannot write a chart")?;
        Ok(Self {
            cluster: env.cluster.clone(),
            app: app.parse().context("invalid name")?,
            templates: Templates::from_dir(&templates).context("cannot read the templates")?,
            helm: (helm, chart),
            kubectl: (kubectl, dir.join("all.yaml")),
            changes,
        })
    }

    async fn apply_with_slipway(&self, round: u32) -> Result<f64> {
        let (commit, pusher) = (unique_commit(round)?, ADMIN.parse::<UserName>().context("invalid name")?);
        let began = Instant::now();
        let process = lock::ProcessIdentity { identity: "bench".to_owned(), instance: uuid::Uuid::new_v4() };
        let target = Target::of_app(&self.app);
        let lock = lock::acquire(&self.cluster, &target, &process, &HolderInfo::default())
            .await
            .context("cannot acquire the lock")?;
        let history = ReleaseHistory::read(&self.cluster, &target).await.context("cannot read the release history")?;
        let revision = history.next_revision();
        let image = ImageRef::verbatim("registry.example/web:1");
        let values = Values { commit: Some(commit.clone()), ..Values::new(self.app.clone(), image) };
        let mut chart = chart::render(&self.templates, &values).context("cannot render")?;
        let mut discovery = ApiDiscovery::new(&self.cluster, &target);
        discovery.normalize_versions(&mut chart.manifests).await.context("cannot normalize the API versions")?;
        let manifest_text = chart::to_yaml(&chart).context("cannot write YAML")?;
        let request = UpgradeRequest {
            chart,
            manifest_text,
            commit,
            pusher,
            digest: format!("sha256:{}", "0".repeat(64)).parse().context("invalid digest")?,
            revision,
            limits: RolloutLimits::new(Duration::from_secs(60), None),
            on_failure: OnFailure::RollBack,
            on_conflict: OnFieldConflict::Refuse,
            release_phase: ReleasePhase::Run,
        };
        let (progress, _) = Progress::channel();
        Box::pin(release::upgrade(&self.cluster, &lock, UpgradeContext { history, discovery }, request, &progress))
            .await
            .context("cannot release")?;
        release::trim_history(&self.cluster, &lock, HISTORY_MAX).await.context("cannot trim the history")?;
        lock.release().await;
        Ok(began.elapsed().as_secs_f64())
    }

    async fn apply_with_helm(&self, round: u32) -> Result<f64> {
        let (namespace, chart) = &self.helm;
        let mut helm = command("helm");
        helm.args(["upgrade", "--install", "ten"]).arg(chart).args(["--namespace", namespace]);
        run_timed(helm.args(["--set-string", &format!("commit={}", unique_commit(round)?)])).await
    }

    async fn apply_with_kubectl(&self, round: u32) -> Result<f64> {
        let (namespace, file) = &self.kubectl;
        let value = if self.changes { format!("\"{}\"", unique_commit(round)?) } else { "\"same\"".to_owned() };
        let all: String = (0..OBJECTS).map(|number| format!("---\n{}", config_map(number, &value))).collect();
        std::fs::write(file, all).context("cannot write manifests")?;
        run_timed(server_side_apply(namespace, file).args(["-o", "name"])).await
    }
}

fn server_side_apply(namespace: &str, file: &Path) -> Command {
    let mut kubectl = command("kubectl");
    kubectl.args(["apply", "--server-side", "--namespace", namespace, "-f"]).arg(file);
    kubectl
}

fn write_templates(dir: &Path, text: impl Fn(usize) -> String) -> Result<()> {
    std::fs::create_dir_all(dir).context("cannot make a directory")?;
    (0..OBJECTS).try_for_each(|number| {
        std::fs::write(dir.join(format!("object-{number}.yaml")), text(number)).context("cannot write a template")
    })
}

fn config_map(number: usize, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: object-{number}\ndata:\n  value: {value}\n")
}

fn unique_commit(round: u32) -> Result<CommitSha> {
    format!("{round:040x}").parse().context("invalid commit")
}
