//! The pre-receive hook: the process `slipway hook` is the client, the gateway listens on a unix socket. The
//! proc-receive hook works on its own.

mod client;
mod listener;
mod proc_receive;
mod protocol;

pub use client::run_hook;
pub use listener::{HookListener, PendingHook};
pub use proc_receive::run_proc_receive_hook;
pub use protocol::{HookRequest, Verdict};
