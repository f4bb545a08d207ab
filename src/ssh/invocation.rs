//! One command that a client asked for, and who serves it.

use std::net::SocketAddr;

use russh::keys::PublicKey;
use tokio_util::sync::CancellationToken;

use super::command::{Command, CommandError};
use super::input::Input;
use super::writer::Output;
use crate::keys::Identity;

/// What stands behind the protocol: whose key it is, and what a command does.
pub trait Backend: Send + Sync + 'static {
    /// Whose key this is. Called in the session's loop, so it must not wait.
    fn identify(&self, key: &PublicKey) -> Option<Identity>;

    /// Runs a command to its end.
    fn run(&self, invocation: Invocation) -> impl Future<Output = Exit> + Send;
}

/// A command with its streams.
#[derive(Debug)]
pub struct Invocation {
    /// Who asks: the owner of the key that signed.
    pub identity: Identity,
    /// Where from.
    pub remote: SocketAddr,
    /// What for.
    pub request: Request,
    /// `GIT_PROTOCOL`, the one variable that a client may set.
    pub protocol: Option<String>,
    /// Standard input.
    pub input: Input,
    /// Standard output and standard error.
    pub output: Output,
    /// Cancelled when the client has closed the channel or the connection.
    pub gone: CancellationToken,
}

/// What a client asked for.
#[derive(Debug)]
pub enum Request {
    /// `ssh HOST COMMAND`
    Exec(Result<Command, CommandError>),
    /// `ssh HOST`
    Shell,
}

/// How a command ended, as the client's exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit(pub u8);

impl Exit {
    /// Done.
    pub const OK: Self = Self(0);
    /// Refused, or failed.
    pub const FAILED: Self = Self(1);
    /// Not a command.
    pub const USAGE: Self = Self(2);
    /// A fault of slipway's own.
    pub const INTERNAL: Self = Self(70);
}
