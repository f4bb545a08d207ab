//! Registries of packages for Go, Ruby, PHP and Java, with some of Debian's packages.

use std::process::Command;

use super::process::{run, try_run};

/// A container of the image `packages` in `dev/stacks/Dockerfile`. It ends when the value is dropped.
pub struct PackageRegistry {
    container: String,
    address: String,
}

impl PackageRegistry {
    pub fn start() -> Self {
        let start = ["run", "--detach", "--rm", "slipway-dev/stacks/packages"];
        let container = run(Command::new("docker").args(start)).stdout.trim().to_owned();
        let address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = run(Command::new("docker").args(["inspect", "--format", address, &container])).stdout;
        Self { container, address: address.trim().to_owned() }
    }

    /// The address for containers; each registry has a directory below it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for PackageRegistry {
    fn drop(&mut self) {
        let _ = try_run(Command::new("docker").args(["rm", "--force", &self.container]));
    }
}
