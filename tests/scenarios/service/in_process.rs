//! The service in the test's own process.

use std::path::Path;
use std::sync::Arc;

use clap::Parser;
use slipway::auth::Identity;
use slipway::cli::{Cli, Command};
use slipway::domain::{AppName, CancelHandle, Progress, ProgressEvent};
use slipway::serve::prepare;
use slipway::service::{Caller, ErrorKind, Service, ServiceError};
use tokio_util::sync::CancellationToken;

use crate::support::Gateway;

/// Composes the service as `slipway serve` does, from the settings of a gateway that does not run.
pub async fn compose(gateway: &Gateway) -> Arc<Service> {
    let command = gateway.serve_command();
    let flags = command.get_envs().filter_map(|(name, value)| {
        let flag = name.to_str()?.strip_prefix("SLIPWAY_")?.to_lowercase().replace('_', "-");
        Some(format!("--{flag}={}", value?.to_str()?))
    });
    let arguments = ["slipway", "serve"].map(str::to_owned).into_iter().chain(flags);
    let Command::Serve(args) = Cli::try_parse_from(arguments).unwrap().command else { panic!("not `serve`") };
    let prepared = prepare(args, Path::new(env!("CARGO_BIN_EXE_slipway"))).await.unwrap();
    prepared.compose(CancellationToken::new()).await.unwrap().service
}

pub fn user(name: &str) -> Caller {
    caller(name, false)
}

pub fn admin() -> Caller {
    caller(crate::support::ADMIN, true)
}

fn caller(name: &str, admin: bool) -> Caller {
    let identity = Identity { user: name.parse().unwrap(), admin, fingerprint: "SHA256:test".to_owned() };
    Caller { identity, key: None, remote: "192.0.2.1:1".parse().unwrap() }
}

pub fn app_name(name: &str) -> AppName {
    name.parse().unwrap()
}

/// The kind of an answer that must be an error.
#[track_caller]
pub fn kind<T>(answer: Result<T, ServiceError>) -> ErrorKind {
    answer.err().expect("an error").kind()
}

/// Runs work that reports progress, and returns the progress as well.
pub async fn with_progress<T>(work: impl AsyncFnOnce(Progress, CancelHandle) -> T) -> (T, Vec<ProgressEvent>) {
    let (progress, mut receiver) = Progress::channel();
    let collect = async {
        let mut events = Vec::new();
        while let Some(event) = receiver.recv().await {
            events.push(event);
        }
        events
    };
    tokio::join!(work(progress, CancelHandle::default()), collect)
}
