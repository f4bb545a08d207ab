//! The `slipway` program: parses its arguments and calls the library.

use std::io::Read;
use std::process::ExitCode;

use clap::Parser;
use slipway::chart::Templates;
use slipway::cli::{Cli, Command, RenderArgs, UploadKeyArgs};
use slipway::serve::{ServeError, serve};
use slipway::{chart, clusters, git, keys, telemetry};

/// How much of standard input is read as keys, in bytes.
const KEYS_INPUT: u64 = 64 * 1024;

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { log, command } = Cli::parse();
    if matches!(command, Command::Hook) {
        return git::hook::relay().await;
    }
    telemetry::init(&log);
    let result = match command {
        Command::Serve(args) => serve(args).await.map_err(Failure::from),
        Command::Render(args) => render(args),
        Command::UploadKey(args) => upload_key(args).await,
        Command::Hook => return ExitCode::FAILURE,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { message, code }) => {
            eprintln!("slipway: {message}");
            ExitCode::from(code)
        }
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
    let templates = match &templates {
        Some(dir) => Templates::from_dir(dir).map_err(|e| misused("--templates", &e))?,
        None => Templates::embedded(),
    };
    let values = match &values {
        Some(path) => Some(std::fs::read_to_string(path).map_err(|e| misused(path.display(), &e))?),
        None => None,
    };
    let manifests = chart::render_command(&app, &image, values.as_deref(), &templates).map_err(|e| misused("render", &e))?;
    print!("{manifests}");
    Ok(())
}

async fn upload_key(args: UploadKeyArgs) -> Result<(), Failure> {
    let UploadKeyArgs { name, admin, namespace } = args;
    let mut text = String::new();
    std::io::stdin().take(KEYS_INPUT + 1).read_to_string(&mut text).map_err(|e| misused("standard input", &e))?;
    let uploaded = keys::parse::authorized_keys(&text).map_err(|e| misused("standard input", &e))?;
    let cluster = clusters::connect().await.map_err(|e| failed(&e))?;
    let role = if admin { keys::Role::Admin } else { keys::Role::User };
    let added = keys::add_keys(&cluster, &namespace, &name, &uploaded, role).await.map_err(|e| failed(&e))?;
    println!("{added}");
    Ok(())
}
