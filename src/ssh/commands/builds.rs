//! `builds:list` and `builds:output`: the stored output of deploys.

use super::super::app_command::OutputFormat;
use super::super::exit_status::ExitStatus;
use super::super::output::CommandOutput;
use super::super::output::progress::{format_error, format_event};
use super::super::output::table::{format_age, format_table, or_dash};
use super::{Caller, CommandError, CommandService};
use crate::deploy_logs::{DeployLog, DeployState, DeploySummary};
use crate::domain::AppName;

pub(super) async fn list(
    service: &CommandService,
    caller: &Caller,
    app: &AppName,
    format: OutputFormat,
    output: &CommandOutput,
) -> Result<ExitStatus, CommandError> {
    let app = service.check_readable(caller, app).await?;
    let deploys = service.deploy_logs(app).list().await?;
    match format {
        OutputFormat::Text if deploys.is_empty() => output.line("No output is stored.").await,
        OutputFormat::Text => {
            let titles = ["N", "WHAT", "COMMIT", "USER", "AGE", "TOOK", "STATE", "REVISION"];
            output.stdout(format_table(titles, deploys.into_iter().map(row))).await;
        }
        OutputFormat::Json => output.json(&deploys).await?,
    }
    Ok(ExitStatus::OK)
}

fn row(deploy: DeploySummary) -> [String; 8] {
    let DeploySummary { number, header, state, result } = deploy;
    let took = result.as_ref().map(|result| result.ended.duration_since(header.began).as_secs_f64());
    [
        number.to_string(),
        header.kind,
        or_dash(header.commit.map(|commit| commit.short().to_owned())),
        header.user.to_string(),
        format_age(Some(header.began)),
        or_dash(took.map(|seconds| format!("{seconds:.1} s"))),
        state.as_str().to_owned(),
        or_dash(result.and_then(|result| result.revision).map(|revision| revision.to_string())),
    ]
}

pub(super) async fn show(
    service: &CommandService,
    caller: &Caller,
    app: &AppName,
    number: Option<u64>,
    output: &CommandOutput,
) -> Result<ExitStatus, CommandError> {
    let app = service.check_readable(caller, app).await?;
    let DeployLog { summary: deploy, events, truncated } = service.deploy_logs(app).read(number).await?;
    let mut lines: Vec<String> = events.iter().map(format_event).collect();
    if truncated {
        lines.extend(format_error("the output was truncated: its end is not stored"));
    }
    match deploy.state {
        DeployState::Deployed => {}
        DeployState::Failed => {
            lines.extend(format_error(&deploy.result.and_then(|result| result.error).unwrap_or_default()));
        }
        DeployState::Running => lines.extend(format_error("the deploy is still running")),
        DeployState::Interrupted => lines.extend(format_error("the deploy was interrupted: its gateway ended")),
    }
    output.stdout(lines.join("\n") + "\n").await;
    Ok(ExitStatus::OK)
}
