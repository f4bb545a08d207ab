//! A session channel: waits for a command, runs it and ends with its exit status.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use russh::keys::PublicKey;
use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::exit_status::ExitStatus;
use super::handler::{ChannelRequest, CommandHandler, ExecContext};
use super::{input, output};
use crate::auth::Identity;

/// A command that the session has admitted, sent to the channel's task.
#[derive(Debug)]
pub(super) struct ExecRequest {
    pub(super) identity: Identity,
    pub(super) key: PublicKey,
    pub(super) remote: SocketAddr,
    pub(super) request: ChannelRequest,
    /// `GIT_PROTOCOL`
    pub(super) protocol: Option<String>,
    /// Whether the client has a terminal, in raw mode.
    pub(super) has_terminal: bool,
    /// Held while the command runs: a shutdown does not close the connection before.
    pub(super) running: TaskTrackerToken,
}

/// Serves a channel until it ends.
pub(super) async fn serve<H: CommandHandler>(
    channel: Channel<Msg>,
    exec_request: oneshot::Receiver<ExecRequest>,
    handler: Arc<H>,
) {
    let (mut read, write) = channel.split();
    let Some(exec_request) = wait_for_exec(&mut read, exec_request).await else { return };
    let disconnected = CancellationToken::new();
    let ExecRequest { identity, key, remote, request, protocol, has_terminal, running } = exec_request;
    // git's protocol is no text.
    let has_terminal = has_terminal && !request.is_git();
    let (output, mut writer) = output::pair(write, disconnected.clone(), has_terminal);
    let echo = has_terminal.then(|| output.downgrade());
    let (input, stdin_forwarder) = input::pair(read, disconnected.clone(), echo);
    let context = ExecContext { identity, key, remote, request, protocol, input, output, disconnected };
    let command = async { tokio::join!(run_logged(&*handler, context), writer.run()).0 };
    let exit_status = tokio::select! {
        exit_status = command => exit_status,
        never = stdin_forwarder.run().then(|()| std::future::pending()) => never,
    };
    writer.finish(exit_status).await;
    drop(running);
}

/// Reads messages until the exec or shell request, then waits for the session to admit it; what follows is the command's
/// input. A channel that is not read would block the whole session.
async fn wait_for_exec(
    read: &mut ChannelReadHalf,
    exec_request: oneshot::Receiver<ExecRequest>,
) -> Option<ExecRequest> {
    loop {
        match read.wait().await? {
            ChannelMsg::Exec { .. } | ChannelMsg::RequestShell { .. } => break,
            ChannelMsg::Close => return None,
            _ => {}
        }
    }
    exec_request.await.ok()
}

/// Runs the command and logs its result. After a panic the client still gets an exit status.
async fn run_logged<H: CommandHandler>(handler: &H, context: ExecContext) -> ExitStatus {
    let output = context.output.clone();
    let labels = LogLabels::of(&context);
    let started = Instant::now();
    let exit_status = match AssertUnwindSafe(handler.run(context)).catch_unwind().await {
        Ok(exit_status) => exit_status,
        Err(_) => {
            tracing::error!(command = labels.command, app = labels.app, user = labels.user, "command panicked");
            output.error("slipway failed because of a bug: see its log").await;
            ExitStatus::INTERNAL
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    let LogLabels { command, app, user } = labels;
    tracing::info!(command, app, user, exit = exit_status.0, seconds, "command finished");
    exit_status
}

struct LogLabels {
    command: &'static str,
    app: Option<String>,
    user: String,
}

impl LogLabels {
    fn of(context: &ExecContext) -> Self {
        let (command, app) = match &context.request {
            ChannelRequest::Exec(Ok(command)) => (command.name(), command.app().map(ToString::to_string)),
            ChannelRequest::Exec(Err(_)) => ("unknown", None),
            ChannelRequest::Shell => ("shell", None),
        };
        Self { command, app, user: context.identity.user.to_string() }
    }
}
