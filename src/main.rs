//! The `slipway` program: parses its arguments and calls the library.

use std::io::{ErrorKind, Read, Write};
use std::process::ExitCode;

use clap::Parser;
use slipway::cli::{COMMIT, Cli, Command, RenderArgs, UploadKeyArgs};
use slipway::keys::{Role, UploadGrant};
use slipway::serve::{ServeError, read_templates, serve};
use slipway::telemetry::traces::Traces;
use slipway::{chart, clusters, git, keys, telemetry};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match runtime(&cli.command) {
        Ok(runtime) => runtime.block_on(execute(cli)),
        Err(error) => {
            eprintln!("slipway: cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Only the gateway has work for several threads. What ends at once, as git's hook does in each push, starts none.
fn runtime(command: &Command) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match command {
        Command::Serve(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    builder.enable_all().build()
}

async fn execute(cli: Cli) -> ExitCode {
    let Cli { log, command } = cli;
    if matches!(command, Command::Hook) {
        return git::relay().await;
    }
    let traces = match &command {
        Command::Serve(_) => Traces::from_environment(),
        _ => Ok(None),
    };
    let result = match traces {
        Ok(traces) => {
            telemetry::init(&log, traces.as_ref());
            let result = run(command).await;
            if let Some(traces) = traces {
                traces.end().await;
            }
            result
        }
        Err(error) => Err(Failure { message: error.to_string(), code: 2 }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { message, code }) => {
            eprintln!("slipway: {message}");
            ExitCode::from(code)
        }
    }
}

async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => Ok(Box::pin(serve(args)).await?),
        Command::Render(args) => render(args),
        Command::UploadKey(args) => upload_key(args).await,
        Command::Version => print(&format!("slipway {}, commit {COMMIT}\n", env!("CARGO_PKG_VERSION"))),
        Command::Hook => Err(Failure { message: "this is git's hook".to_owned(), code: 1 }),
    }
}

/// What is printed, and the exit code: 2 when the caller said something wrong, 1 otherwise.
struct Failure {
    message: String,
    code: u8,
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        Self { message: error.to_string(), code: error.exit_code() }
    }
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure { message: telemetry::chain(error), code: 1 }
}

fn misused(what: impl std::fmt::Display, error: &dyn std::error::Error) -> Failure {
    Failure { message: format!("{what}: {}", telemetry::chain(error)), code: 2 }
}

fn render(args: RenderArgs) -> Result<(), Failure> {
    let RenderArgs { app, image, values, templates } = args;
    let templates = read_templates(templates.as_deref())?;
    let values = match &values {
        Some(path) => Some(std::fs::read_to_string(path).map_err(|e| misused(path.display(), &e))?),
        None => None,
    };
    let manifests = chart::render_command(&app, &image, values.as_deref(), &templates)
        .map_err(|error| Failure { message: error.report(), code: 2 })?;
    print(&manifests)
}

/// Writes to standard output. That nobody reads on, as in `slipway render … | head`, is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure { message: format!("standard output: {error}"), code: 1 })
        }
        _ => Ok(()),
    }
}

async fn upload_key(args: UploadKeyArgs) -> Result<(), Failure> {
    let UploadKeyArgs { name, admin, namespace } = args;
    let mut text = Vec::new();
    std::io::stdin()
        .take(keys::MAX_UPLOAD as u64 + 1)
        .read_to_end(&mut text)
        .map_err(|e| misused("standard input", &e))?;
    let uploaded = keys::parse(&text).map_err(|e| misused("standard input", &e))?;
    let (cluster, _) = clusters::connect().await.map_err(|e| failed(&e))?;
    let grant = UploadGrant::by_operator(name, if admin { Role::Admin } else { Role::User });
    let added = keys::add_keys(&cluster, &namespace, &grant, &uploaded).await.map_err(|e| failed(&e))?;
    added.report(grant.user()).iter().try_for_each(|line| print(&format!("{line}\n")))
}
