//! `releases`, `releases:show`, `diff`: what was deployed, and what differs.

use serde_json::json;

use super::super::invocation::Exit;
use super::super::table::{age, or_dash, table};
use super::super::verb::Format;
use super::super::writer::Output;
use super::{Caller, FrontDoor, Refusal, apps};
use crate::domain::{AppName, Revision};
use crate::release::{self, ReleaseDetails, ReleaseInfo};

/// Of so many apps the records are listed app by app: that of all is longer.
const FEW: usize = 8;
/// How much of a commit a table shows, as git does.
const COMMIT: usize = 7;

pub(super) async fn list(
    front: &FrontDoor,
    caller: &Caller,
    app: &AppName,
    limit: u16,
    format: Format,
    output: &Output,
) -> Result<Exit, Refusal> {
    let app = front.readable(caller, app).await?;
    let releases = release::releases(&front.cluster, app, limit.into()).await?;
    match format {
        Format::Text if releases.is_empty() => output.line("Nothing was deployed yet.").await,
        Format::Text => {
            let titles = ["REVISION", "STATUS", "COMMIT", "PUSHER", "AGE", "TOOK", "DESCRIPTION"];
            output.stdout(table(titles, releases.into_iter().map(row))).await;
        }
        Format::Json => output.json(&releases).await?,
    }
    Ok(Exit::OK)
}

/// The newest revision of each app that the caller may see.
pub(super) async fn newest(
    front: &FrontDoor,
    caller: &Caller,
    format: Format,
    output: &Output,
) -> Result<Exit, Refusal> {
    let apps: Vec<AppName> = apps::visible(front, caller).await?.into_iter().map(|app| app.name).collect();
    let everywhere = front.deployer.apps.reaches_everything() && apps.len() > FEW;
    let found = release::newest(&front.cluster, apps, everywhere).await?;
    match format {
        Format::Text if found.is_empty() => output.line("Nothing was deployed yet.").await,
        Format::Text => {
            let titles = ["APP", "REVISION", "STATUS", "COMMIT", "PUSHER", "AGE", "TOOK", "DESCRIPTION"];
            let rows = found.into_iter().map(|(app, release)| {
                let [revision, status, commit, pusher, age, took, description] = row(release);
                [app.to_string(), revision, status, commit, pusher, age, took, description]
            });
            output.stdout(table(titles, rows)).await;
        }
        Format::Json => {
            let found = found.iter().map(|(app, release)| json!({"app": app, "release": release}));
            output.json(&found.collect::<Vec<_>>()).await?;
        }
    }
    Ok(Exit::OK)
}

pub(super) async fn show(
    front: &FrontDoor,
    caller: &Caller,
    app: &AppName,
    revision: Option<Revision>,
    format: Format,
    output: &Output,
) -> Result<Exit, Refusal> {
    let app = front.readable(caller, app).await?;
    let details = release::show(&front.cluster, app, revision).await?;
    match format {
        Format::Text => output.stdout(described(details)?).await,
        Format::Json => output.json(&details).await?,
    }
    Ok(Exit::OK)
}

pub(super) async fn diff(
    front: &FrontDoor,
    caller: &Caller,
    app: &AppName,
    (from, to): (Option<Revision>, Option<Revision>),
    output: &Output,
) -> Result<Exit, Refusal> {
    let app = front.readable(caller, app).await?;
    let difference = release::diff(&front.cluster, app, from, to).await?;
    match difference.text.is_empty() {
        true => output.line(&format!("{} and {} are the same.", difference.from, difference.to)).await,
        false => output.stdout(difference.text).await,
    }
    Ok(Exit::OK)
}

fn row(release: ReleaseInfo) -> [String; 7] {
    let ReleaseInfo { revision, status, commit, pusher, deployed, seconds, description, .. } = release;
    [
        revision.to_string(),
        status.as_str().to_owned(),
        or_dash(commit.map(|commit| commit.chars().take(COMMIT).collect())),
        or_dash(pusher),
        age(deployed),
        took(seconds),
        crate::domain::progress::clean(&description),
    ]
}

fn took(seconds: Option<f64>) -> String {
    or_dash(seconds.map(|seconds| format!("{seconds:.1} s")))
}

/// A revision for people: what is known about it, then its objects.
fn described(details: ReleaseDetails) -> Result<String, Refusal> {
    let manifest = details.manifest()?;
    let info = details.info;
    let facts = [
        ("revision", info.revision.to_string()),
        ("status", info.status.as_str().to_owned()),
        ("description", crate::domain::progress::clean(&info.description)),
        ("commit", or_dash(info.commit)),
        ("pusher", or_dash(info.pusher)),
        ("deployed", or_dash(info.deployed.map(|deployed| deployed.to_string()))),
        ("took", took(info.seconds)),
        ("image", or_dash(info.image)),
        ("chart", or_dash(info.chart)),
        ("app version", or_dash(info.app_version)),
    ];
    let facts: String = facts.into_iter().map(|(name, fact)| format!("{name:<13}{fact}\n")).collect();
    Ok(facts + &manifest)
}
