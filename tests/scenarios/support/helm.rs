//! helm, versions 3 and 4, and charts for it.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use tempfile::TempDir;

use super::process::Output;
use super::{App, run, try_run};

/// The names of the installed programs: helm 4 and helm 3.
pub const VERSIONS: [&str; 2] = ["helm", "helm3"];

/// Runs `helm ARGUMENTS` in the app's namespace, which must succeed.
#[track_caller]
pub fn helm(app: &App, arguments: &[&str]) -> Output {
    run(Command::new("helm").args(arguments).args(["--namespace", &app.name]))
}

/// Runs a version of helm in the app's namespace; the command may fail.
#[track_caller]
pub fn try_helm_version(program: &str, app: &App, arguments: &[&str]) -> Output {
    let path = run(Command::new("sh").args(["-c", &format!("command -v {program}")])).stdout;
    // helm 3 names its field manager after its program, which users call `helm`
    try_run(Command::new(path.trim()).arg0("helm").args(arguments).args(["--namespace", &app.name]))
}

/// The directory of a chart with one template.
pub fn write_chart(template: &str) -> TempDir {
    let chart = tempfile::tempdir().unwrap();
    std::fs::create_dir(chart.path().join("templates")).unwrap();
    std::fs::write(chart.path().join("Chart.yaml"), "apiVersion: v2\nname: byhand\nversion: 1.2.3\nappVersion: old\n")
        .unwrap();
    std::fs::write(chart.path().join("templates/all.yaml"), template).unwrap();
    chart
}
