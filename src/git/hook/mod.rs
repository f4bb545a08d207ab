//! The pre-receive hook: the process `slipway hook` is the client, the gateway listens on a unix socket.

mod client;
mod listener;
mod protocol;

pub use client::run_hook;
pub use listener::{HookListener, PendingHook};
pub use protocol::{HookRequest, Verdict};
