//! `releases`, `releases:show` and `diff`: the release history of apps.

use serde_json::json;

use super::super::app_command::OutputFormat;
use super::super::exit_status::ExitStatus;
use super::super::output::CommandOutput;
use super::super::output::table::{format_age, format_table, or_dash};
use super::{Caller, CommandError, CommandService, apps};
use crate::domain::{AppName, Revision, Target};
use crate::release::{self, ListScope, ReleaseDetails, ReleaseInfo};

/// Up to this many apps, one list of records per namespace is cheaper than a list of all namespaces.
const MAX_NAMESPACE_LISTS: usize = 8;
/// The length of an abbreviated commit id in tables, the same as git's.
const SHORT_COMMIT_LEN: usize = 7;

pub(super) async fn list(
    service: &CommandService,
    caller: &Caller,
    app: &AppName,
    limit: u16,
    format: OutputFormat,
    output: &CommandOutput,
) -> Result<ExitStatus, CommandError> {
    let app = service.check_readable(caller, app).await?;
    let releases = release::list_releases(&service.cluster, &Target::of_app(app), limit.into()).await?;
    match format {
        OutputFormat::Text if releases.is_empty() => output.line("Nothing has been deployed yet.").await,
        OutputFormat::Text => {
            let titles = ["REVISION", "STATUS", "COMMIT", "PUSHER", "AGE", "TOOK", "DESCRIPTION"];
            output.stdout(format_table(titles, releases.into_iter().map(row))).await;
        }
        OutputFormat::Json => output.json(&releases).await?,
    }
    Ok(ExitStatus::OK)
}

/// Prints the newest revision of each app that the caller may read.
pub(super) async fn newest(
    service: &CommandService,
    caller: &Caller,
    format: OutputFormat,
    output: &CommandOutput,
) -> Result<ExitStatus, CommandError> {
    let apps = apps::list_readable(service, caller).await?;
    let targets: Vec<_> = apps.iter().map(|app| Target::of_app(&app.name)).collect();
    let is_one_list_cheaper = service.deployer.apps.can_list_all_namespaces() && targets.len() > MAX_NAMESPACE_LISTS;
    let scope = if is_one_list_cheaper { ListScope::ClusterWide } else { ListScope::PerNamespace };
    let found = release::newest_releases(&service.cluster, targets, scope).await?;
    match format {
        OutputFormat::Text if found.is_empty() => output.line("Nothing has been deployed yet.").await,
        OutputFormat::Text => {
            let titles = ["APP", "REVISION", "STATUS", "COMMIT", "PUSHER", "AGE", "TOOK", "DESCRIPTION"];
            let rows = found.into_iter().map(|(target, release)| {
                let [revision, status, commit, pusher, age, took, description] = row(release);
                [target.release.to_string(), revision, status, commit, pusher, age, took, description]
            });
            output.stdout(format_table(titles, rows)).await;
        }
        OutputFormat::Json => {
            let found = found.iter().map(|(target, release)| json!({"app": target.release, "release": release}));
            output.json(&found.collect::<Vec<_>>()).await?;
        }
    }
    Ok(ExitStatus::OK)
}

pub(super) async fn show(
    service: &CommandService,
    caller: &Caller,
    app: &AppName,
    revision: Option<Revision>,
    format: OutputFormat,
    output: &CommandOutput,
) -> Result<ExitStatus, CommandError> {
    let app = service.check_readable(caller, app).await?;
    let details = release::show_release(&service.cluster, &Target::of_app(app), revision).await?;
    match format {
        OutputFormat::Text => output.stdout(format_details(details)?).await,
        OutputFormat::Json => output.json(&details).await?,
    }
    Ok(ExitStatus::OK)
}

pub(super) async fn diff(
    service: &CommandService,
    caller: &Caller,
    app: &AppName,
    (from, to): (Option<Revision>, Option<Revision>),
    output: &CommandOutput,
) -> Result<ExitStatus, CommandError> {
    let app = service.check_readable(caller, app).await?;
    let difference = release::diff_revisions(&service.cluster, &Target::of_app(app), from, to).await?;
    match difference.text.is_empty() {
        true => output.line(&format!("{} and {} are the same.", difference.from, difference.to)).await,
        false => output.stdout(difference.text).await,
    }
    Ok(ExitStatus::OK)
}

fn row(release: ReleaseInfo) -> [String; 7] {
    let ReleaseInfo { revision, status, commit, pusher, deployed, seconds, description, .. } = release;
    [
        revision.to_string(),
        status.as_str().to_owned(),
        or_dash(commit.map(|commit| commit.chars().take(SHORT_COMMIT_LEN).collect())),
        or_dash(pusher),
        format_age(deployed),
        format_duration(seconds),
        crate::domain::progress::strip_control(&description),
    ]
}

fn format_duration(seconds: Option<f64>) -> String {
    or_dash(seconds.map(|seconds| format!("{seconds:.1} s")))
}

/// The description of a revision, followed by its manifest.
fn format_details(details: ReleaseDetails) -> Result<String, CommandError> {
    let manifest = details.manifest()?;
    let info = details.info;
    let facts = [
        ("revision", info.revision.to_string()),
        ("status", info.status.as_str().to_owned()),
        ("description", crate::domain::progress::strip_control(&info.description)),
        ("commit", or_dash(info.commit)),
        ("pusher", or_dash(info.pusher)),
        ("deployed", or_dash(info.deployed.map(|deployed| deployed.to_string()))),
        ("took", format_duration(info.seconds)),
        ("image", or_dash(info.image)),
        ("chart", or_dash(info.chart)),
        ("app version", or_dash(info.app_version)),
    ];
    let facts: String = facts.into_iter().map(|(name, fact)| format!("{name:<13}{fact}\n")).collect();
    Ok(facts + &manifest)
}
