//! The SSH front door: who may come in, what they may ask for, and how the answer leaves.
//!
//! [`server`] accepts connections and bounds them, [`auth`] decides which keys count, [`session`]
//! translates russh's callbacks, [`channel`] runs one command with its streams, and [`commands`] has
//! one file a verb. Nothing here knows how an app is deployed.

pub mod algorithms;
pub mod auth;
pub mod channel;
pub mod command;
pub mod commands;
pub mod format;
pub mod gate;
pub mod input;
pub mod invocation;
pub mod quickack;
mod server;
pub mod session;
pub mod startups;
pub mod table;
pub mod verb;
pub mod writer;

pub use commands::{FrontDoor, Occupancy};
pub use invocation::{Backend, Exit, Invocation, Request};
pub use server::{SshSettings, serve};

#[cfg(test)]
mod tests;
