//! `apps`: the apps that one may see.

use serde_json::json;

use super::super::invocation::Exit;
use super::super::table::{age, table};
use super::super::verb::Format;
use super::super::writer::Output;
use super::{Caller, FrontDoor, Refusal};
use crate::apps::App;
use crate::keys::{Holder, read_grant};

pub(super) async fn list(front: &FrontDoor, caller: &Caller, format: Format, output: &Output) -> Result<Exit, Refusal> {
    let apps = visible(front, caller).await?;
    match format {
        Format::Text if apps.is_empty() => output.line("You have no apps yet: git push one.").await,
        Format::Text => {
            let rows = apps.iter().map(|app| [app.name.to_string(), app.owner.to_string(), age(app.created)]);
            output.stdout(table(["APP", "OWNER", "AGE"], rows)).await;
        }
        Format::Json => {
            let apps = apps.iter().map(|app| json!({"app": app.name, "owner": app.owner, "created": app.created}));
            output.json(&apps.collect::<Vec<_>>()).await?;
        }
    }
    Ok(Exit::OK)
}

/// The apps that the caller may see, by name.
pub(super) async fn visible(front: &FrontDoor, caller: &Caller) -> Result<Vec<App>, Refusal> {
    let mut apps = front.deployer.apps.known().await?;
    apps.retain(|app| read_grant(&caller.identity, &app.name, &Holder::User(app.owner.clone())).is_ok());
    Ok(apps)
}
