//! `slipway render`: the app chart without a cluster.

use std::process::{Command, Stdio};

use crate::support::process::Output;
use crate::support::try_run;

fn render(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
    try_run(command.env("KUBECONFIG", "/nonexistent").arg("render").args(arguments))
}

#[test]
fn manifests_are_printed_without_a_cluster() {
    let output = render(&["--app", "shop", "--image", "localhost:5000/shop:v1"]).ok();
    output.prints_all(&["kind: Deployment", "kind: Service", "localhost:5000/shop:v1"]).does_not_print("replicas");
}

#[test]
fn values_are_read_from_a_file_and_an_invalid_key_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("values.yaml");
    let render_with_values = |text: &str| {
        std::fs::write(&path, text).unwrap();
        render(&["--app", "shop", "--image", "x", "--values", path.to_str().unwrap()])
    };
    let valid = "port: 3000\nenv:\n  GREETING: \"hello\\n---\\nkind: Pod\"\n";
    render_with_values(valid).ok().prints("3000").prints("GREETING");
    let invalid = render_with_values("prot: 3000\n").fails().prints("prot");
    assert_eq!(invalid.code, Some(2));
    render_with_values("port: many\n").fails().prints("port");
    render_with_values("port: 1\nport: 2\n").fails();
    render_with_values("env: [").fails();
}

#[test]
fn invalid_arguments_end_with_exit_code_2() {
    assert_eq!(render(&["--app", "No Name", "--image", "x"]).code, Some(2));
    assert_eq!(render(&["--app", "shop"]).code, Some(2));
    assert_eq!(render(&["--app", "shop", "--image", "x", "--values", "/nonexistent"]).code, Some(2));
}

#[test]
fn a_closed_pipe_is_no_error_and_a_full_disk_is_one() {
    let render_to = |stdout: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
        command.args(["render", "--app", "shop", "--image", "x"]).stdout(stdout).stderr(Stdio::piped());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(render_to(writer.into()), (Some(0), String::new()));
    let (code, error) = render_to(std::fs::File::options().write(true).open("/dev/full").unwrap().into());
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("standard output"), "{error}");
}

fn spec(arguments: &[&str]) -> Output {
    try_run(Command::new(env!("CARGO_BIN_EXE_slipway")).arg("spec").args(arguments))
}

#[test]
fn the_files_of_a_directory_are_printed_with_their_origins_or_all_their_errors() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    std::fs::write(dir.path().join("Procfile"), "web: ./server\n").unwrap();
    std::fs::write(dir.path().join("slipway.staging.yaml"), "port: 81\n").unwrap();
    spec(&[path]).ok().prints("command: \"./server\"").prints("# Procfile:1").does_not_print("81");
    spec(&[path, "--environment", "staging"]).ok().prints("# slipway.staging.yaml:1");
    assert_eq!(spec(&[path, "--environment", "prod"]).fails().prints("slipway.prod.yaml").code, Some(2));
    assert_eq!(spec(&["/nonexistent"]).fails().code, Some(2));
    std::fs::write(dir.path().join("slipway.yaml"), "prot: 1\nreplicas: -1\n").unwrap();
    let errors = spec(&[path]).fails().prints_all(&["\nslipway.yaml:1:1: unknown key prot", "\nslipway.yaml:2:11: "]);
    assert_eq!(errors.code, Some(2));
}
