//! `doctor [APP]`: what is wrong with one's apps.

use super::super::invocation::Exit;
use super::super::table::{or_dash, table};
use super::super::verb::Format;
use super::super::writer::Output;
use super::{Caller, FrontDoor, Refusal, apps};
use crate::deploy::Finding;
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
    let mut findings = Vec::from_iter(front.deployer.examine_itself().await);
    for app in &apps {
        match front.deployer.examine(app).await {
            Ok(found) => findings.extend(found),
            // What was found already may be the reason.
            Err(error) if !findings.is_empty() => {
                findings.push(Finding { app: Some(app.clone()), revision: None, finding: error.to_string() });
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    match format {
        Format::Json => output.json(&findings).await?,
        Format::Text if findings.is_empty() => output.line("Nothing is wrong.").await,
        Format::Text => {
            let rows = findings.iter().map(|found| {
                let (app, revision) = (found.app.as_ref(), found.revision);
                let columns = [app.map(ToString::to_string), revision.map(|revision| revision.to_string())];
                let [app, revision] = columns.map(or_dash);
                [app, revision, found.finding.clone()]
            });
            output.stdout(table(["APP", "REVISION", "FINDING"], rows)).await;
        }
    }
    Ok(if findings.is_empty() { Exit::OK } else { Exit::FAILED })
}
