//! `doctor [APP]`: what is wrong with one's apps.

use super::super::invocation::Exit;
use super::super::table::{or_dash, table};
use super::super::verb::Format;
use super::super::writer::Output;
use super::{Caller, FrontDoor, Refusal, apps};
use crate::domain::AppName;

pub(super) async fn run(
    front: &FrontDoor,
    caller: &Caller,
    app: Option<AppName>,
    format: Format,
    output: &Output,
) -> Result<Exit, Refusal> {
    let apps = match app {
        Some(app) => vec![front.readable(caller, &app).await?.clone()],
        None => apps::visible(front, caller).await?.into_iter().map(|app| app.name).collect(),
    };
    let mut findings = Vec::new();
    for app in &apps {
        findings.extend(front.deployer.examine(app).await);
    }
    let fine = findings.is_empty();
    match format {
        Format::Json => output.json(&findings).await?,
        Format::Text if findings.is_empty() => output.line("Nothing is wrong.").await,
        Format::Text => {
            let rows = findings.into_iter().map(|found| {
                let revision = or_dash(found.revision.map(|revision| revision.to_string()));
                [found.app.to_string(), revision, found.finding]
            });
            output.stdout(table(["APP", "REVISION", "FINDING"], rows)).await;
        }
    }
    Ok(if fine { Exit::OK } else { Exit::FAILED })
}
