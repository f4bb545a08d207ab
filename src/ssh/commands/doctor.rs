//! `doctor [APP]`: diagnoses the caller's apps.

use super::super::app_command::OutputFormat;
use super::super::exit_status::ExitStatus;
use super::super::output::CommandOutput;
use super::super::output::table::{format_table, or_dash};
use super::{Caller, CommandError, CommandService, apps};
use crate::deploy::Diagnosis;
use crate::domain::AppName;

pub(super) async fn run(
    service: &CommandService,
    caller: &Caller,
    app: Option<AppName>,
    format: OutputFormat,
    output: &CommandOutput,
) -> Result<ExitStatus, CommandError> {
    let apps = match app {
        Some(app) => vec![service.check_readable(caller, &app).await?.clone()],
        None => apps::list_readable(service, caller).await?.into_iter().map(|app| app.name).collect(),
    };
    let mut findings = Vec::from_iter(service.deployer.diagnose_gateway().await);
    for app in &apps {
        let found = service.deployer.diagnose_app(app).await;
        // An earlier finding may be the reason why this app cannot be diagnosed, and would be repeated for each app.
        let is_undiagnosable = !findings.is_empty() && found.iter().any(|finding| finding.revision.is_none());
        findings.extend(found);
        if is_undiagnosable {
            break;
        }
    }
    let is_healthy = findings.is_empty();
    match format {
        OutputFormat::Json => output.json(&findings).await?,
        OutputFormat::Text if is_healthy => output.line("Nothing is wrong.").await,
        OutputFormat::Text => {
            let rows = findings.into_iter().map(|Diagnosis { app, revision, finding }| {
                let columns = [app.map(|app| app.to_string()), revision.map(|revision| revision.to_string())];
                let [app, revision] = columns.map(or_dash);
                [app, revision, finding]
            });
            output.stdout(format_table(["APP", "REVISION", "FINDING"], rows)).await;
        }
    }
    Ok(if is_healthy { ExitStatus::OK } else { ExitStatus::FAILED })
}
