//! The interface between the SSH protocol and the commands.

use std::net::SocketAddr;

use russh::keys::PublicKey;
use tokio_util::sync::CancellationToken;

use super::exec_command::ExecCommand;
use super::exit_status::ExitStatus;
use super::input::CommandInput;
use super::output::CommandOutput;
use super::parse_error::ParseCommandError;
use crate::auth::Identity;

/// Identifies users and runs their commands.
pub trait CommandHandler: Send + Sync + 'static {
    /// The identity of the key's owner. Called in the session's event loop, so it must not block.
    fn identify(&self, key: &PublicKey) -> Option<Identity>;

    /// Runs a command to its end.
    fn run(&self, context: ExecContext) -> impl Future<Output = ExitStatus> + Send;
}

/// A command, its client and its streams.
#[derive(Debug)]
pub struct ExecContext {
    /// The owner of the key that signed.
    pub identity: Identity,
    /// That key.
    pub key: PublicKey,
    pub remote: SocketAddr,
    pub request: ChannelRequest,
    /// `GIT_PROTOCOL`, the only environment variable that a client can set.
    pub protocol: Option<String>,
    pub input: CommandInput,
    pub output: CommandOutput,
    /// Cancelled when the client has closed the channel or the connection.
    pub disconnected: CancellationToken,
}

#[derive(Debug)]
pub enum ChannelRequest {
    /// `ssh HOST COMMAND`
    Exec(Result<ExecCommand, ParseCommandError>),
    /// `ssh HOST`
    Shell,
}

impl ChannelRequest {
    pub(super) fn is_git(&self) -> bool {
        matches!(self, Self::Exec(Ok(command)) if !matches!(command, ExecCommand::App(_)))
    }
}
