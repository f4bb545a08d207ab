//! The `slipway` program: parses its arguments and calls the library.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use slipway::auth::{Role, UploadGrant};
use slipway::chart::{self, RenderOptions};
use slipway::cli::{COMMIT, Cli, Command, DockerfileArgs, HookKind, OutputFormat, RenderArgs, SpecArgs, UploadKeyArgs};
use slipway::dockerfile;
use slipway::domain::AppSpec;
use slipway::serve::{ServeError, read_templates, rollout_times, serve, stack_settings};
use slipway::spec::{self, ResolvedSpec, SpecFile};
use slipway::telemetry::traces::Traces;
use slipway::{git, k8s, keys, telemetry};

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

/// Only the server has work for several threads. Starting threads would slow down git's hook, which runs in every push.
fn runtime(command: &Command) -> std::io::Result<tokio::runtime::Runtime> {
    let mut builder = match command {
        Command::Serve(_) => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    builder.enable_all().build()
}

async fn execute(cli: Cli) -> ExitCode {
    let Cli { log, command } = cli;
    match command {
        Command::Hook { kind: HookKind::PreReceive } => return git::run_hook().await,
        Command::Hook { kind: HookKind::ProcReceive } => return git::run_proc_receive_hook().await,
        _ => {}
    }
    let traces = match &command {
        Command::Serve(_) => Traces::from_env(),
        _ => Ok(None),
    };
    let result = match traces {
        Ok(traces) => {
            telemetry::init(&log, traces.as_ref());
            let result = run(command).await;
            if let Some(traces) = traces {
                traces.shutdown().await;
            }
            result
        }
        Err(error) => Err(ExitError { message: error.to_string(), code: 2 }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(ExitError { message, code }) => {
            eprintln!("slipway: {message}");
            ExitCode::from(code)
        }
    }
}

async fn run(command: Command) -> Result<(), ExitError> {
    match command {
        Command::Serve(args) => Ok(Box::pin(serve(args)).await?),
        Command::Render(args) => render(args),
        Command::Spec(args) => print_spec(&args),
        Command::Schema => print(spec::SCHEMA),
        Command::Dockerfile(args) => print_dockerfile(args),
        Command::UploadKey(args) => upload_key(args).await,
        Command::Version => print(&format!("slipway {}, commit {COMMIT}\n", env!("CARGO_PKG_VERSION"))),
        Command::Hook { .. } => Err(ExitError { message: "only git runs this command".to_owned(), code: 1 }),
    }
}

/// The message for standard error, and the exit code: 2 for a usage error, else 1.
struct ExitError {
    message: String,
    code: u8,
}

impl From<ServeError> for ExitError {
    fn from(error: ServeError) -> Self {
        Self { message: error.to_string(), code: error.exit_code() }
    }
}

fn runtime_error(error: &dyn std::error::Error) -> ExitError {
    ExitError { message: telemetry::error_chain(error), code: 1 }
}

fn usage_error(input: impl std::fmt::Display, error: &dyn std::error::Error) -> ExitError {
    ExitError { message: format!("{input}: {}", telemetry::error_chain(error)), code: 2 }
}

fn render(args: RenderArgs) -> Result<(), ExitError> {
    let RenderArgs { app, image, values, templates, kube_version, chart: times } = args;
    let templates = read_templates(templates.as_deref())?;
    let spec = values.as_deref().map(read_values).transpose()?;
    let options = RenderOptions { spec: spec.as_ref(), times: rollout_times(&times), kube_version };
    let manifests = chart::render_command(&app, &image, options, &templates)
        .map_err(|error| ExitError { message: error.report(), code: 2 })?;
    print(&manifests)
}

/// Reads a file in the format of `slipway.yaml`.
fn read_values(path: &Path) -> Result<AppSpec, ExitError> {
    let content = std::fs::read(path).map_err(|e| usage_error(path.display(), &e))?;
    Ok(resolve_spec(&[SpecFile::new(&path.display().to_string(), content)])?.spec)
}

/// The errors begin in a line of their own, as editors expect.
fn resolve_spec(files: &[SpecFile]) -> Result<ResolvedSpec, ExitError> {
    let error = |error| ExitError { message: format!("the files have errors:\n{error}"), code: 2 };
    spec::resolve(files).map_err(error)
}

/// `slipway spec`: what the files of a directory say.
fn print_spec(args: &SpecArgs) -> Result<(), ExitError> {
    // A directory that does not exist has none of the files, either.
    std::fs::read_dir(&args.directory).map_err(|e| usage_error(args.directory.display(), &e))?;
    let selected = args.environment.as_ref().map(spec::environment_file);
    let mut files = Vec::new();
    for name in spec::file_names(args.environment.as_ref()) {
        match std::fs::read(args.directory.join(&name)) {
            Ok(content) => files.push(SpecFile::new(&name, content)),
            Err(error) if error.kind() == ErrorKind::NotFound && Some(&name) != selected.as_ref() => {}
            Err(error) => return Err(usage_error(args.directory.join(&name).display(), &error)),
        }
    }
    let resolved = resolve_spec(&files)?;
    resolved.warnings.iter().for_each(|warning| eprintln!("slipway: warning: {warning}"));
    print(&match args.format {
        OutputFormat::Text => resolved.to_yaml(),
        OutputFormat::Json => format!("{:#}\n", resolved.to_json()),
    })
}

fn print_dockerfile(args: DockerfileArgs) -> Result<(), ExitError> {
    let DockerfileArgs { dir, stacks } = args;
    let found = dockerfile::find(&dir, &stack_settings(stacks))
        .map_err(|error| ExitError { message: telemetry::error_chain(&error), code: 2 })?;
    found.announcement.iter().for_each(|line| eprintln!("{line}"));
    print(&found.text)
}

/// Writes to standard output. A reader may close it early without an error, as in `slipway render … | head`.
fn print(text: &str) -> Result<(), ExitError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(ExitError { message: format!("cannot write to standard output: {error}"), code: 1 })
        }
        _ => Ok(()),
    }
}

async fn upload_key(args: UploadKeyArgs) -> Result<(), ExitError> {
    let UploadKeyArgs { name, admin, namespace } = args;
    let mut text = Vec::new();
    std::io::stdin()
        .take(keys::MAX_UPLOAD_BYTES as u64 + 1)
        .read_to_end(&mut text)
        .map_err(|e| usage_error("standard input", &e))?;
    let uploaded = keys::parse_authorized_keys(&text).map_err(|e| usage_error("standard input", &e))?;
    let (cluster, _) = k8s::client_from_env().await.map_err(|e| runtime_error(&e))?;
    let grant = UploadGrant::from_operator(name, if admin { Role::Admin } else { Role::User });
    let result = keys::add_keys(&cluster, &namespace, &grant, &uploaded).await.map_err(|e| runtime_error(&e))?;
    result.report_lines(grant.user()).iter().try_for_each(|line| print(&format!("{line}\n")))
}
