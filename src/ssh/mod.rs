//! The SSH server: authentication, the commands that a client can run, and their input and output.
//!
//! [`server`] accepts connections and limits them, [`auth`] checks keys, [`session`] translates russh's callbacks,
//! [`channel`] runs one command with its streams, and [`commands`] has a file for each command, which asks the service and
//! prints its answer.

mod algorithms;
mod auth;
mod cancellable_stream;
mod channel;
mod commands;
mod exec_command;
mod exit_status;
mod handler;
mod input;
mod output;
mod parse_error;
mod quickack;
mod server;
mod session;
mod terminal;
#[cfg(test)]
mod tests;
mod unauthenticated;

pub use commands::CommandRunner;
pub use server::{SshSettings, serve};
