//! slipway: `git push` to Kubernetes.
//!
//! `ARCHITECTURE.md` walks one push through these rooms.

pub mod api;
pub mod apps;
pub mod build;
pub mod chart;
pub mod cli;
pub mod clusters;
pub mod config;
pub mod deploy;
pub mod domain;
pub mod git;
pub mod keys;
pub mod logs;
pub mod registry;
pub mod release;
pub mod self_check;
pub mod serve;
pub mod ssh;
pub mod telemetry;
#[cfg(test)]
mod testing;
