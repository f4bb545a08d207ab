//! `apps:destroy APP`: the end of an app.

use std::time::Duration;

use tokio::time::timeout;

use super::super::invocation::Exit;
use super::deploys::told;
use super::{Caller, FrontDoor, Refusal, Streams};
use crate::apps::Removed;
use crate::domain::{AppName, Cancel};

/// How long one may think about it.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest answer: a name and the end of the line.
const ANSWER: usize = 256;

pub(super) async fn run(
    front: &FrontDoor,
    caller: &Caller,
    app: &AppName,
    force: bool,
    mut streams: Streams,
) -> Result<Exit, Refusal> {
    let grant = front.deployable(caller, app).await?;
    if !force {
        confirm(app, &mut streams).await?;
    }
    // No push may be in the repository, nor come in before it is gone.
    let _alone = timeout(super::push::PATIENCE, front.occupancy.alone(app)).await;
    let _alone = _alone.map_err(|_| Refusal::Occupied(app.clone()))?;
    let work = async |progress, _: &Cancel| front.deployer.destroy(&grant, caller.remote, &progress).await;
    let removed = told(&streams, work).await?;
    front.repositories.remove(app).await?;
    let namespace = match removed {
        Removed::Deleted => "its namespace and its repository",
        Removed::GivenBack => "its release and its repository; the namespace was there before, and stays",
    };
    streams.output.line(&format!("=====> {app} is gone, with {namespace}")).await;
    Ok(Exit::OK)
}

/// Has the name of the app typed, which nobody does by mistake.
async fn confirm(app: &AppName, streams: &mut Streams) -> Result<(), Refusal> {
    let question = format!("This removes {app} with all its data, its history and its repository. Type its name: ");
    streams.output.stderr(question).await;
    let typed = timeout(PATIENCE, streams.input.line(ANSWER)).await.ok().flatten();
    match typed {
        Some(name) if name.trim() == app.as_str() => Ok(()),
        _ => Err(Refusal::Unconfirmed(app.clone())),
    }
}
