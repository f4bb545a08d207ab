//! `doctor [APP]`: what is wrong with one's apps.

use super::super::invocation::Exit;
use super::super::table::table;
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
        findings.extend(front.deployer.examine(app).await?);
    }
    match format {
        Format::Json => output.json(&findings).await?,
        Format::Text if findings.is_empty() => output.line("Nothing is wrong.").await,
        Format::Text => {
            let rows =
                findings.iter().map(|found| [found.app.to_string(), found.revision.to_string(), found.finding.clone()]);
            output.stdout(table(["APP", "REVISION", "FINDING"], rows)).await;
        }
    }
    Ok(if findings.is_empty() { Exit::OK } else { Exit::FAILED })
}
