//! P12: a push and the listing commands with very many apps, and with very many revisions of one app.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use slipway::domain::Revision;
use slipway::release::record::{self, ReleaseStatus};

use crate::cluster;
use crate::command::{run, run_timed};
use crate::environment::BenchEnv;
use crate::gateway::{ADMIN, Gateway, GatewayOptions};
use crate::measurement::{Goal, Measurement, Ratio, Title};
use crate::process_stats;
use crate::sampling::{SamplePlan, sample_rounds};
use crate::test_app::{TestApp, ssh};

const ONE_APP: &str = "1 app";
const ONE_REVISION: &str = "1 revision";
/// Timeout for the cluster's controllers to process the new namespaces.
const NAMESPACES_TIMEOUT: Duration = Duration::from_secs(300);

pub async fn measure(env: &BenchEnv) -> Result<Vec<Measurement>> {
    let revisions = if env.quick { 100 } else { 1000 };
    env.record_size("P12 apps", env.scale);
    env.record_size("P12 revisions", revisions);
    // keeps every revision
    let settings = [("SLIPWAY_HISTORY_MAX", "1000000".to_owned())];
    let options = GatewayOptions { name: "p12", settings: &settings, ..Default::default() };
    let slipway = Gateway::start(env, options).await?;
    let few = TestApp::web(env, "p12-few").await?;
    run(&mut few.push(&slipway, "main")).await?;
    let mut rows = measure_revisions(env, &slipway, &few, revisions).await?;
    rows.extend(measure_apps(env, &slipway, &few).await?);
    few.destroy(&slipway).await?;
    Ok(rows)
}

/// Measures two apps of one gateway in turns: one with many revisions, one with few.
async fn measure_revisions(env: &BenchEnv, slipway: &Gateway, few: &TestApp, count: u32) -> Result<Vec<Measurement>> {
    let many = TestApp::web(env, "p12-many").await?;
    run(&mut many.push(slipway, "main")).await?;
    add_revisions(env, &many.name, count).await?;
    let mut round = 0;
    let pushes = sample_rounds(env.plan(SamplePlan::new(1, 10), SamplePlan::new(0, 2)), async || {
        round += 1;
        Ok([time_push(slipway, &many, round).await?, time_push(slipway, few, round).await?])
    });
    let [ours, theirs] = pushes.await?;
    let lists = sample_rounds(env.plan(SamplePlan::DEFAULT, SamplePlan::new(1, 3)), async || {
        let releases = async |app: &TestApp| run_timed(ssh(slipway).args(["releases", &app.name])).await;
        Ok([releases(&many).await?, releases(few).await?])
    });
    let [list, list_few] = lists.await?;
    many.destroy(slipway).await?;
    let title = |what| Title { id: "P12", what, baseline: ONE_REVISION };
    let row = |what, ours: &[f64], theirs: &[f64]| {
        Measurement::from_samples(title(what), "s", Ratio::OursToTheirs, Goal::AtMost(1.2), ours, theirs)
    };
    Ok(vec![
        row("push with very many revisions", &ours, &theirs).with_note(format!("{count} revisions")),
        row("releases APP with very many revisions", &list, &list_few),
    ])
}

/// Measures before and after the apps are created. Turns are impossible: every gateway of a cluster watches all namespaces of
/// apps.
async fn measure_apps(env: &BenchEnv, slipway: &Gateway, few: &TestApp) -> Result<Vec<Measurement>> {
    let before = collect_sample(env, slipway, few, "before").await?;
    let names: Vec<String> = (0..env.scale).map(|number| env.unique_namespace(&format!("scale-{number}"))).collect();
    let namespaces = names.iter().map(|name| cluster::app_namespace(name, ADMIN, &slipway.namespace)).collect();
    cluster::create_namespaces(&env.cluster, namespaces).await?;
    wait_for_service_accounts(env, names.len()).await?;
    let after = collect_sample(env, slipway, few, "after").await?;
    let title = |what| Title { id: "P12", what, baseline: ONE_APP };
    let row = |what, unit, goal, ours: &[f64], theirs: &[f64]| {
        Measurement::from_samples(title(what), unit, Ratio::OursToTheirs, Goal::AtMost(goal), ours, theirs)
            .with_note(format!("{} apps; measured before and after their creation, not in turns", names.len()))
    };
    Ok(vec![
        row("push with very many apps", "s", 1.2, &after.push, &before.push),
        row("apps with very many apps", "s", 1.2, &after.apps, &before.apps),
        row("releases with very many apps", "s", 1.2, &after.releases, &before.releases),
        row("releases APP with very many apps", "s", 1.2, &after.releases_of_one, &before.releases_of_one),
        row("resident memory with very many apps", "KiB", 1.1, &after.memory, &before.memory),
    ])
}

/// Samples with a certain number of apps in the cluster.
struct ScaleSample {
    push: Vec<f64>,
    apps: Vec<f64>,
    releases: Vec<f64>,
    releases_of_one: Vec<f64>,
    memory: Vec<f64>,
}

async fn collect_sample(env: &BenchEnv, slipway: &Gateway, app: &TestApp, when: &str) -> Result<ScaleSample> {
    let mut round = 0;
    let pushes = sample_rounds(env.plan(SamplePlan::new(1, 10), SamplePlan::new(0, 2)), async || {
        round += 1;
        app.commit_page(&format!("{when} {round}")).await?;
        Ok([run_timed(&mut app.push(slipway, "main")).await?])
    });
    let [push] = pushes.await?;
    let lists = sample_rounds(env.plan(SamplePlan::DEFAULT, SamplePlan::new(1, 3)), async || {
        let time_command = async |words: &[&str]| run_timed(ssh(slipway).args(words)).await;
        Ok([
            time_command(&["apps"]).await?,
            time_command(&["releases"]).await?,
            time_command(&["releases", &app.name]).await?,
        ])
    });
    let [apps, releases, releases_of_one] = lists.await?;
    Ok(ScaleSample { push, apps, releases, releases_of_one, memory: vec![process_stats::resident_kib(slipway.pid())?] })
}

async fn time_push(slipway: &Gateway, app: &TestApp, round: u32) -> Result<f64> {
    app.commit_page(&format!("round {round}")).await?;
    run_timed(&mut app.push(slipway, "main")).await
}

/// Replaces an app's only release record with `count` copies, of which the newest is deployed.
async fn add_revisions(env: &BenchEnv, app: &str, count: u32) -> Result<()> {
    let secrets: Api<Secret> = Api::namespaced(env.cluster.clone(), app);
    let name = |revision| format!("sh.helm.release.v1.{app}.v{revision}");
    let first = secrets.get(&name(1)).await.context("cannot read the record of v1")?;
    let copies = (1..=count).map(|revision| copy_record(&first, name(revision), revision, revision == count));
    let copies = copies.collect::<Result<Vec<_>>>()?;
    secrets.delete(&name(1), &DeleteParams::default()).await.context("cannot delete the record of v1")?;
    cluster::create_objects(&env.cluster, app, copies).await
}

fn copy_record(first: &Secret, name: String, revision: u32, deployed: bool) -> Result<Secret> {
    let status = if deployed { ReleaseStatus::Deployed } else { ReleaseStatus::Superseded };
    let mut secret = first.clone();
    let data = secret.data.as_mut().and_then(|data| data.get_mut("release")).context("the record has no release")?;
    let mut record = record::decode(&data.0).context("cannot decode the record")?;
    (record.version, record.info.status) = (Revision(revision), status);
    data.0 = record::encode(&record).context("cannot encode the record")?;
    secret.labels_mut().insert("version".to_owned(), revision.to_string());
    secret.labels_mut().insert("status".to_owned(), status.as_str().to_owned());
    let metadata = &mut secret.metadata;
    (metadata.name, metadata.resource_version, metadata.uid) = (Some(name), None, None);
    (metadata.managed_fields, metadata.creation_timestamp) = (None, None);
    Ok(secret)
}

/// Waits until each new namespace has its default ServiceAccount, and a little longer for the other controllers.
async fn wait_for_service_accounts(env: &BenchEnv, count: usize) -> Result<()> {
    let accounts: Api<ServiceAccount> = Api::all(env.cluster.clone());
    let began = Instant::now();
    loop {
        let list = accounts.list_metadata(&ListParams::default().fields("metadata.name=default")).await;
        let prefix = format!("bench-{}-scale-", std::process::id());
        let list = list.context("cannot list service accounts")?;
        let done = list.iter().filter(|account| account.namespace().is_some_and(|name| name.starts_with(&prefix)));
        if done.count() >= count {
            break;
        }
        if began.elapsed() > NAMESPACES_TIMEOUT {
            bail!("new namespaces were not ready within {NAMESPACES_TIMEOUT:?}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    Ok(())
}
