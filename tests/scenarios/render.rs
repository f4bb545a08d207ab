//! `slipway render`: the chart without a cluster.

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
    output.says("kind: Deployment").says("kind: Service").says("localhost:5000/shop:v1").never_says("replicas");
}

#[test]
fn values_come_from_a_file_and_a_wrong_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("values.yaml");
    let with = |text: &str| {
        std::fs::write(&path, text).unwrap();
        render(&["--app", "shop", "--image", "x", "--values", path.to_str().unwrap()])
    };
    with("port: 3000\nenv:\n  GREETING: \"hello\\n---\\nkind: Pod\"\n").ok().says("3000").says("GREETING");
    let wrong = with("prot: 3000\n").fails().says("prot");
    assert_eq!(wrong.code, Some(2));
    with("port: many\n").fails().says("port");
    with("port: 1\nport: 2\n").fails();
    with("env: [").fails();
}

#[test]
fn wrong_arguments_end_with_2() {
    assert_eq!(render(&["--app", "No Name", "--image", "x"]).code, Some(2));
    assert_eq!(render(&["--app", "shop"]).code, Some(2));
    assert_eq!(render(&["--app", "shop", "--image", "x", "--values", "/nonexistent"]).code, Some(2));
}

#[test]
fn who_reads_only_the_beginning_gets_no_error_and_a_full_disk_is_one() {
    let ending = |stdout: Stdio| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_slipway"));
        command.args(["render", "--app", "shop", "--image", "x"]).stdout(stdout).stderr(Stdio::piped());
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    assert_eq!(ending(writer.into()), (Some(0), String::new()));
    let (code, said) = ending(std::fs::File::options().write(true).open("/dev/full").unwrap().into());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("standard output"), "{said}");
}
