//! P12: how a push and the commands that list things fare when there are very many apps, or very many revisions of one.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, ResourceExt};
use slipway::domain::Revision;
use slipway::release::record::{self, Status};

use crate::app::{App, ssh};
use crate::cluster;
use crate::gateway::{self, ADMIN, Gateway};
use crate::measure::{Effort, rounds};
use crate::proc;
use crate::program::{run, timed};
use crate::row::{Goal, Ratio, Row, Title};
use crate::world::World;

const MANY_APPS: &str = "1 app";
const MANY_REVISIONS: &str = "1 revision";
/// How long the cluster gets to be done with new namespaces.
const SETTLE: Duration = Duration::from_secs(300);

/// Measures them.
///
/// # Errors
/// If a push or a command fails.
pub async fn rows(world: &World) -> Result<Vec<Row>> {
    let revisions = if world.quick { 100 } else { 1000 };
    world.size("P12 apps", world.scale);
    world.size("P12 revisions", revisions);
    // each revision is kept
    let settings = [("SLIPWAY_HISTORY_MAX", "1000000".to_owned())];
    let wish = gateway::Wish { name: "p12", settings: &settings, ..Default::default() };
    let slipway = Gateway::start(world, wish).await?;
    let few = App::web(world, "p12-few").await?;
    run(&mut few.push(&slipway, "main")).await?;
    let mut rows = with_revisions(world, &slipway, &few, revisions).await?;
    rows.extend(with_apps(world, &slipway, &few).await?);
    few.destroy(&slipway).await?;
    Ok(rows)
}

/// Two apps of one gateway, in turns.
async fn with_revisions(world: &World, slipway: &Gateway, few: &App, count: u32) -> Result<Vec<Row>> {
    let many = App::web(world, "p12-many").await?;
    run(&mut many.push(slipway, "main")).await?;
    add_revisions(world, &many.name, count).await?;
    let mut round = 0;
    let pushes = rounds(world.effort(Effort::of(1, 10), Effort::of(0, 2)), async || {
        round += 1;
        Ok([push(slipway, &many, round).await?, push(slipway, few, round).await?])
    });
    let [ours, theirs] = pushes.await?;
    let lists = rounds(world.effort(Effort::USUAL, Effort::of(1, 3)), async || {
        let releases = async |app: &App| timed(ssh(slipway).args(["releases", &app.name])).await;
        Ok([releases(&many).await?, releases(few).await?])
    });
    let [list, list_of_few] = lists.await?;
    many.destroy(slipway).await?;
    let title = |what| Title { id: "P12", what, beside: MANY_REVISIONS };
    let row = |what, ours: &[f64], theirs: &[f64]| {
        Row::measured(title(what), "s", Ratio::OursToTheirs, Goal::AtMost(1.2), ours, theirs)
    };
    Ok(vec![
        row("push with very many revisions", &ours, &theirs).noted(format!("{count} revisions")),
        row("releases APP with very many revisions", &list, &list_of_few),
    ])
}

/// Before and after: every gateway of a cluster goes through all namespaces of apps, so that this cannot go in turns.
async fn with_apps(world: &World, slipway: &Gateway, few: &App) -> Result<Vec<Row>> {
    let before = survey(world, slipway, few, "before").await?;
    let names: Vec<String> = (0..world.scale).map(|number| world.namespace(&format!("scale-{number}"))).collect();
    let namespaces = names.iter().map(|name| cluster::app_namespace(name, ADMIN, &slipway.namespace)).collect();
    cluster::make(&world.cluster, namespaces).await?;
    settle(world, names.len()).await?;
    let after = survey(world, slipway, few, "after").await?;
    let title = |what| Title { id: "P12", what, beside: MANY_APPS };
    let row = |what, unit, goal, ours: &[f64], theirs: &[f64]| {
        Row::measured(title(what), unit, Ratio::OursToTheirs, Goal::AtMost(goal), ours, theirs)
            .noted(format!("{} apps; measured before and after they were made, not in turns", names.len()))
    };
    Ok(vec![
        row("push with very many apps", "s", 1.2, &after.push, &before.push),
        row("apps with very many apps", "s", 1.2, &after.apps, &before.apps),
        row("releases with very many apps", "s", 1.2, &after.releases, &before.releases),
        row("releases APP with very many apps", "s", 1.2, &after.releases_of_one, &before.releases_of_one),
        row("resident memory with very many apps", "KiB", 1.1, &after.memory, &before.memory),
    ])
}

/// What a number of apps costs.
struct Survey {
    push: Vec<f64>,
    apps: Vec<f64>,
    releases: Vec<f64>,
    releases_of_one: Vec<f64>,
    memory: Vec<f64>,
}

async fn survey(world: &World, slipway: &Gateway, app: &App, when: &str) -> Result<Survey> {
    let mut round = 0;
    let pushes = rounds(world.effort(Effort::of(1, 10), Effort::of(0, 2)), async || {
        round += 1;
        app.change(&format!("{when} {round}")).await?;
        Ok([timed(&mut app.push(slipway, "main")).await?])
    });
    let [push] = pushes.await?;
    let lists = rounds(world.effort(Effort::USUAL, Effort::of(1, 3)), async || {
        let said = async |words: &[&str]| timed(ssh(slipway).args(words)).await;
        Ok([said(&["apps"]).await?, said(&["releases"]).await?, said(&["releases", &app.name]).await?])
    });
    let [apps, releases, releases_of_one] = lists.await?;
    Ok(Survey { push, apps, releases, releases_of_one, memory: vec![proc::resident(slipway.pid())?] })
}

async fn push(slipway: &Gateway, app: &App, round: u32) -> Result<f64> {
    app.change(&format!("round {round}")).await?;
    timed(&mut app.push(slipway, "main")).await
}

/// Gives an app of one revision a past: the one that serves becomes the newest of `count`.
async fn add_revisions(world: &World, app: &str, count: u32) -> Result<()> {
    let secrets: Api<Secret> = Api::namespaced(world.cluster.clone(), app);
    let name = |revision| format!("sh.helm.release.v1.{app}.v{revision}");
    let first = secrets.get(&name(1)).await.context("there is no first revision")?;
    let copies = (1..=count).map(|revision| copy(&first, name(revision), revision, revision == count));
    let copies = copies.collect::<Result<Vec<_>>>()?;
    secrets.delete(&name(1), &DeleteParams::default()).await.context("cannot remove the first revision")?;
    cluster::make_in(&world.cluster, app, copies).await
}

fn copy(first: &Secret, name: String, revision: u32, serves: bool) -> Result<Secret> {
    let status = if serves { Status::Deployed } else { Status::Superseded };
    let mut secret = first.clone();
    let data = secret.data.as_mut().and_then(|data| data.get_mut("release")).context("a record without a release")?;
    let mut record = record::decode(&data.0).context("a record that cannot be read")?;
    (record.version, record.info.status) = (Revision(revision), status);
    data.0 = record::encode(&record).context("a record that cannot be written")?;
    secret.labels_mut().insert("version".to_owned(), revision.to_string());
    secret.labels_mut().insert("status".to_owned(), status.as_str().to_owned());
    let metadata = &mut secret.metadata;
    (metadata.name, metadata.resource_version, metadata.uid) = (Some(name), None, None);
    (metadata.managed_fields, metadata.creation_timestamp) = (None, None);
    Ok(secret)
}

/// Waits until the controllers have given each new namespace what it gets.
async fn settle(world: &World, count: usize) -> Result<()> {
    let accounts: Api<ServiceAccount> = Api::all(world.cluster.clone());
    let began = Instant::now();
    loop {
        let there = accounts.list_metadata(&ListParams::default().fields("metadata.name=default")).await;
        let ours = format!("bench-{}-scale-", std::process::id());
        let there = there.context("cannot list service accounts")?;
        let done = there.iter().filter(|account| account.namespace().is_some_and(|name| name.starts_with(&ours)));
        if done.count() >= count {
            break;
        }
        if began.elapsed() > SETTLE {
            bail!("new namespaces were not ready within {SETTLE:?}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    Ok(())
}
