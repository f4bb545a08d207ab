//! `git fetch`, `git clone`, `git archive --remote`.

use super::super::invocation::Exit;
use super::{Caller, FrontDoor, Refusal, Streams, exchange};
use crate::domain::{AppName, Cancel};
use crate::git::{Invocation, Service};
use crate::keys::read_grant;

pub(super) async fn run(
    front: &FrontDoor,
    caller: &Caller,
    app: &AppName,
    service: Service,
    protocol: Option<&str>,
    streams: Streams,
) -> Result<Exit, Refusal> {
    let grant = read_grant(&caller.identity, app, &front.holder(app).await?)?;
    if !front.repositories.exists(grant.app()).await {
        return Err(Refusal::NoRepository(app.clone()));
    }
    let repository = front.repositories.path(grant.app());
    let git = Invocation { service, repository: &repository, protocol, settings: &front.git, hook: None };
    Ok(exchange::serve(git.spawn()?, streams, &Cancel::default(), &front.deployer.stop).await?)
}
