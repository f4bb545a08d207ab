//! `apps:adopt APP`: turns a namespace that slipway did not create, with its Helm release, into an app.

use super::super::exit_status::ExitStatus;
use super::super::output::CommandOutput;
use super::{Caller, CommandError, CommandService};
use crate::auth::authorize_adoption;
use crate::domain::{AppName, Target, UserName};
use crate::release;

pub(super) async fn run(
    service: &CommandService,
    caller: &Caller,
    app: &AppName,
    owner: Option<UserName>,
    output: &CommandOutput,
) -> Result<ExitStatus, CommandError> {
    if *app.as_str() == *service.namespace {
        return Err(CommandError::OwnNamespace(app.clone()));
    }
    let grant = authorize_adoption(&caller.identity, app, &service.deployer.apps.find_owner(app).await?, owner)?;
    service.deployer.apps.bind_role(app).await?;
    let newest = release::list_releases(&service.cluster, &Target::of_app(app), 1).await?.pop();
    service.deployer.apps.adopt(app, grant.owner()).await?;
    tracing::info!(%app, owner = %grant.owner(), release = newest.is_some(), "adopted a namespace");
    output.line(&format!("=====> {app} is now an app and belongs to {}", grant.owner())).await;
    match newest {
        Some(newest) => {
            let chart = newest.chart.unwrap_or_else(|| "unnamed chart".to_owned());
            output.line(&format!("       Its Helm release is at {} ({chart}).", newest.revision)).await;
            output.line("       The next push upgrades the release and deletes objects that the app's chart does not contain.").await;
            output.line("       To preview the changes: git push -o dry-run").await;
        }
        None => {
            output.line(&format!("       The namespace has no release named {app}; the first push creates one.")).await
        }
    }
    Ok(ExitStatus::OK)
}
