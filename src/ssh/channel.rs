//! One session channel: waits for a command, runs it, ends with its exit status.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::invocation::{Backend, Exit, Invocation, Request};
use super::{input, writer};
use crate::keys::Identity;

/// What the session's loop decided about a channel.
#[derive(Debug)]
pub struct Start {
    /// Who asks.
    pub identity: Identity,
    /// Where from.
    pub remote: SocketAddr,
    /// What for.
    pub request: Request,
    /// `GIT_PROTOCOL`
    pub protocol: Option<String>,
    /// Held while the command runs: the connection stays for it when slipway shuts down.
    pub running: TaskTrackerToken,
}

/// Serves a channel until its end.
pub async fn serve<B: Backend>(channel: Channel<Msg>, started: oneshot::Receiver<Start>, backend: Arc<B>) {
    let (mut read, write) = channel.split();
    let Some(start) = wait_for_start(&mut read, started).await else { return };
    let gone = CancellationToken::new();
    let (output, mut writer) = writer::pair(write, gone.clone());
    let (input, pump) = input::pair(read, gone.clone());
    let Start { identity, remote, request, protocol, running } = start;
    let invocation = Invocation { identity, remote, request, protocol, input, output, gone };
    let command = async { tokio::join!(run(&*backend, invocation), writer.run()).0 };
    let exit = tokio::select! {
        exit = command => exit,
        never = pump.run().then(|()| std::future::pending()) => never,
    };
    writer.finish(exit).await;
    drop(running);
}

/// Reads until the message that made the session's loop decide: what follows it is the command's input.
/// Reading matters, as a channel that nobody reads blocks the whole session.
async fn wait_for_start(read: &mut ChannelReadHalf, started: oneshot::Receiver<Start>) -> Option<Start> {
    loop {
        match read.wait().await? {
            ChannelMsg::Exec { .. } | ChannelMsg::RequestShell { .. } => break,
            ChannelMsg::Close => return None,
            _ => {}
        }
    }
    started.await.ok()
}

/// Runs the command and logs how it ended. A panic must not leave the client waiting for ever.
async fn run<B: Backend>(backend: &B, invocation: Invocation) -> Exit {
    let output = invocation.output.clone();
    let what = describe(&invocation);
    let began = Instant::now();
    let exit = match AssertUnwindSafe(backend.run(invocation)).catch_unwind().await {
        Ok(exit) => exit,
        Err(_) => {
            tracing::error!(command = what.verb, app = what.app, user = what.user, "command panicked");
            output.failure("slipway failed; its log says why").await;
            Exit::INTERNAL
        }
    };
    let seconds = began.elapsed().as_secs_f64();
    tracing::info!(command = what.verb, app = what.app, user = what.user, exit = exit.0, seconds, "command finished");
    exit
}

struct Description {
    verb: &'static str,
    app: Option<String>,
    user: String,
}

fn describe(invocation: &Invocation) -> Description {
    let (verb, app) = match &invocation.request {
        Request::Exec(Ok(command)) => (command.verb(), command.app().map(ToString::to_string)),
        Request::Exec(Err(_)) => ("unknown", None),
        Request::Shell => ("shell", None),
    };
    Description { verb, app, user: invocation.identity.user.to_string() }
}
