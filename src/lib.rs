//! slipway: `git push` to Kubernetes.
//!
//! `ARCHITECTURE.md` follows a push through these modules. Public are those that the `slipway` program, the benchmarks and the
//! tests use.

mod apps;
pub mod auth;
pub mod build;
pub mod chart;
pub mod cli;
mod config;
mod deploy;
mod deploy_logs;
pub mod dockerfile;
pub mod domain;
pub mod git;
mod http;
pub mod k8s;
pub mod keys;
mod rbac_check;
pub mod registry;
pub mod release;
pub mod serve;
pub mod service;
pub mod spec;
mod ssh;
pub mod stacks;
pub mod telemetry;
#[cfg(test)]
mod testing;
