//! `apps`: lists the apps that the caller may read.

use serde_json::json;

use super::super::app_command::OutputFormat;
use super::super::exit_status::ExitStatus;
use super::super::output::CommandOutput;
use super::super::output::table::{format_age, format_table};
use super::{Caller, CommandError, CommandService};
use crate::apps::App;
use crate::auth::authorize_read;
use crate::domain::AppOwner;

pub(super) async fn list(
    service: &CommandService,
    caller: &Caller,
    format: OutputFormat,
    output: &CommandOutput,
) -> Result<ExitStatus, CommandError> {
    let apps = list_readable(service, caller).await?;
    match format {
        OutputFormat::Text if apps.is_empty() => output.line("You have no apps yet: create one with `git push`.").await,
        OutputFormat::Text => {
            let rows = apps.iter().map(|app| [app.name.to_string(), app.owner.to_string(), format_age(app.created)]);
            output.stdout(format_table(["APP", "OWNER", "AGE"], rows)).await;
        }
        OutputFormat::Json => {
            let apps = apps.iter().map(|app| json!({"app": app.name, "owner": app.owner, "created": app.created}));
            output.json(&apps.collect::<Vec<_>>()).await?;
        }
    }
    Ok(ExitStatus::OK)
}

/// The apps that the caller may read, ordered by name.
pub(super) async fn list_readable(service: &CommandService, caller: &Caller) -> Result<Vec<App>, CommandError> {
    let mut apps = service.deployer.apps.list_cached().await?;
    apps.retain(|app| authorize_read(&caller.identity, &app.name, &AppOwner::User(app.owner.clone())).is_ok());
    Ok(apps)
}
