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
        let found = front.deployer.examine(app).await;
        // What was found already may be the reason why nothing can be found out.
        let blind = !findings.is_empty() && found.iter().any(|finding| finding.revision.is_none());
        findings.extend(found);
        if blind {
            break;
        }
    }
    let fine = findings.is_empty();
    match format {
        Format::Json => output.json(&findings).await?,
        Format::Text if findings.is_empty() => output.line("Nothing is wrong.").await,
        Format::Text => {
            let rows = findings.into_iter().map(|Finding { app, revision, finding }| {
                let columns = [app.map(|app| app.to_string()), revision.map(|revision| revision.to_string())];
                let [app, revision] = columns.map(or_dash);
                [app, revision, finding]
            });
            output.stdout(table(["APP", "REVISION", "FINDING"], rows)).await;
        }
    }
    Ok(if fine { Exit::OK } else { Exit::FAILED })
}
