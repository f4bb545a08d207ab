//! `apps:adopt APP`: a namespace that slipway did not make, with helm's release in it, becomes an app.

use super::super::invocation::Exit;
use super::super::writer::Output;
use super::{Caller, FrontDoor, Refusal};
use crate::domain::{AppName, UserName};
use crate::keys::adopt_grant;
use crate::release;

pub(super) async fn run(
    front: &FrontDoor,
    caller: &Caller,
    app: &AppName,
    owner: Option<UserName>,
    output: &Output,
) -> Result<Exit, Refusal> {
    if *app.as_str() == *front.namespace {
        return Err(Refusal::OwnNamespace(app.clone()));
    }
    let grant = adopt_grant(&caller.identity, app, &front.holder(app).await?, owner)?;
    front.deployer.apps.take_rights(app).await?;
    let newest = release::releases(&front.cluster, app, 1).await?.pop();
    front.deployer.apps.adopt(app, grant.owner()).await?;
    tracing::info!(%app, owner = %grant.owner(), release = newest.is_some(), "a namespace was adopted");
    output.line(&format!("=====> {app} is an app now, and belongs to {}", grant.owner())).await;
    match newest {
        Some(newest) => {
            let chart = newest.chart.unwrap_or_else(|| "a chart".to_owned());
            output.line(&format!("       Helm's release is at {} ({chart}).", newest.revision)).await;
            output.line("       The next push upgrades it, and deletes what the app's chart does not have.").await;
            output.line("       To see beforehand what that changes: git push -o dry-run").await;
        }
        None => output.line(&format!("       It has no release named {app}; the first push makes one.")).await,
    }
    Ok(Exit::OK)
}
