//! P9: applying ten objects, as they are and changed. slipway's part is everything from taking the app's lock to freeing
//! it: the records, the rendering, the rehearsal on the server, the apply. Helm and kubectl are programs that start anew.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use kube::Client;
use slipway::chart::{self, Templates, Values};
use slipway::domain::{AppName, CommitSha, ImageRef, Progress, UserName};
use slipway::release::lock::{self, LockNote};
use slipway::release::{self, Catalog, Ground, OnFailure, Past, ReleaseRequest};
use tokio::process::Command;

use crate::cluster;
use crate::gateway::ADMIN;
use crate::measure::{Effort, rounds};
use crate::program::{command, timed};
use crate::row::{Goal, Ratio, Row, Title};
use crate::world::World;

const OBJECTS: usize = 10;
/// How many revisions helm keeps by default, and slipway.
const HISTORY: std::num::NonZeroUsize = std::num::NonZeroUsize::MIN.saturating_add(9);

/// Measures them.
///
/// # Errors
/// If one of them fails.
pub async fn rows(world: &World) -> Result<Vec<Row>> {
    world.size("P9 objects", OBJECTS);
    let mut rows = Vec::new();
    for changes in [false, true] {
        let sides = Sides::prepare(world, changes).await?;
        let effort = world.effort(Effort::USUAL, Effort::of(1, 3));
        let mut round = 0;
        let measured = rounds(effort, async || {
            round += 1;
            Ok([sides.ours(round).await?, sides.helm(round).await?, sides.kubectl(round).await?])
        });
        let [ours, helm, kubectl] = measured.await?;
        let title = |beside| Title { id: "P9", what: what(changes), beside };
        let note = "slipway's figure has no program's start in it, as slipway runs all the time; it has lock, record and rehearsal";
        rows.push(
            Row::measured(title("helm upgrade"), "s", Ratio::OursToTheirs, Goal::AtMost(0.5), &ours, &helm).noted(note),
        );
        rows.push(Row::measured(
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

fn what(changes: bool) -> &'static str {
    if changes { "applying ten objects, changed" } else { "applying ten objects, unchanged" }
}

/// The same objects in three namespaces.
struct Sides {
    cluster: Client,
    app: AppName,
    templates: Templates,
    helm: (String, PathBuf),
    kubectl: (String, PathBuf),
    changes: bool,
}

impl Sides {
    async fn prepare(world: &World, changes: bool) -> Result<Self> {
        let kind = if changes { "changed" } else { "same" };
        let [app, helm, kubectl] = ["ours", "helm", "kubectl"].map(|who| world.namespace(&format!("p9-{kind}-{who}")));
        let namespaces = vec![
            cluster::app_namespace(&app, ADMIN, "slipway"),
            cluster::plain_namespace(&helm),
            cluster::plain_namespace(&kubectl),
        ];
        cluster::make(&world.cluster, namespaces).await?;
        let dir = world.disk.path().join(format!("p9-{kind}"));
        let templates = dir.join("slipway");
        write(&templates, |number| manifest(number, if changes { "{{ commit }}" } else { "\"same\"" }))?;
        let chart = dir.join("helm");
        write(&chart.join("templates"), |number| {
            manifest(number, if changes { "{{ .Values.commit | quote }}" } else { "\"same\"" })
        })?;
        std::fs::write(chart.join("Chart.yaml"), "apiVersion: v2\nname: ten\nversion: 0.1.0\n").context("no chart")?;
        Ok(Self {
            cluster: world.cluster.clone(),
            app: app.parse().context("not a name")?,
            templates: Templates::from_dir(&templates).context("cannot read the templates")?,
            helm: (helm, chart),
            kubectl: (kubectl, dir.join("all.yaml")),
            changes,
        })
    }

    async fn ours(&self, round: u32) -> Result<f64> {
        let (commit, pusher) = (commit(round)?, ADMIN.parse::<UserName>().context("not a name")?);
        let began = Instant::now();
        let gateway = lock::Gateway { identity: "bench".to_owned(), instance: uuid::Uuid::new_v4() };
        let lock = lock::acquire(&self.cluster, &self.app, &gateway, &LockNote::default()).await.context("no lock")?;
        let past = Past::read(&self.cluster, &self.app).await.context("no past")?;
        let revision = past.next_revision();
        let image = ImageRef::verbatim("registry.example/web:1");
        let values = Values { commit: Some(commit.clone()), ..Values::new(self.app.clone(), image) };
        let mut chart = chart::render(&self.templates, &values).context("cannot render")?;
        let mut catalog = Catalog::new(&self.cluster, &self.app);
        catalog.fit(&mut chart.manifests).await.context("cannot fit")?;
        let manifest_text = chart::to_yaml(&chart).context("cannot write YAML")?;
        let request = ReleaseRequest {
            chart,
            manifest_text,
            commit,
            pusher,
            digest: format!("sha256:{}", "0".repeat(64)).parse().context("not a digest")?,
            revision,
            timeout: Duration::from_secs(60),
            on_failure: OnFailure::Undo,
        };
        let (progress, _) = Progress::channel();
        Box::pin(release::upgrade(&self.cluster, &lock, Ground { past, catalog }, request, &progress))
            .await
            .context("cannot release")?;
        release::trim(&self.cluster, &lock, HISTORY).await.context("cannot trim the history")?;
        lock.release().await;
        Ok(began.elapsed().as_secs_f64())
    }

    async fn helm(&self, round: u32) -> Result<f64> {
        let (namespace, chart) = &self.helm;
        let mut helm = command("helm");
        helm.args(["upgrade", "--install", "ten"]).arg(chart).args(["--namespace", namespace]);
        timed(helm.args(["--set-string", &format!("commit={}", commit(round)?)])).await
    }

    async fn kubectl(&self, round: u32) -> Result<f64> {
        let (namespace, file) = &self.kubectl;
        let value = if self.changes { format!("\"{}\"", commit(round)?) } else { "\"same\"".to_owned() };
        let all: String = (0..OBJECTS).map(|number| format!("---\n{}", manifest(number, &value))).collect();
        std::fs::write(file, all).context("cannot write manifests")?;
        timed(apply(namespace, file).args(["-o", "name"])).await
    }
}

fn apply(namespace: &str, file: &Path) -> Command {
    let mut kubectl = command("kubectl");
    kubectl.args(["apply", "--server-side", "--namespace", namespace, "-f"]).arg(file);
    kubectl
}

fn write(dir: &Path, text: impl Fn(usize) -> String) -> Result<()> {
    std::fs::create_dir_all(dir).context("cannot make a directory")?;
    (0..OBJECTS).try_for_each(|number| {
        std::fs::write(dir.join(format!("object-{number}.yaml")), text(number)).context("cannot write a template")
    })
}

fn manifest(number: usize, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: object-{number}\ndata:\n  value: {value}\n")
}

/// A commit that no other round has.
fn commit(round: u32) -> Result<CommitSha> {
    format!("{round:040x}").parse().context("not a commit")
}
