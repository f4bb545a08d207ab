//! The base image of the test apps.

use std::process::Command;
use std::sync::OnceLock;

use super::process::{run, try_run};

const NAME: &str = "slipway-test/base";

/// The name of an image that contains busybox only. The first call builds it.
pub fn base_image() -> &'static str {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        if try_run(Command::new("docker").args(["image", "inspect", NAME])).code == Some(0) {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        std::fs::copy(busybox_path(), dir.path().join("busybox")).unwrap();
        std::fs::write(dir.path().join("Dockerfile"), include_str!("../fixtures/base.Dockerfile")).unwrap();
        run(Command::new("docker").args(["build", "-q", "-t", NAME]).arg(dir.path()));
    });
    NAME
}

/// This machine's static busybox.
pub fn busybox_path() -> String {
    run(Command::new("sh").args(["-c", "command -v busybox"])).stdout.trim().to_owned()
}
