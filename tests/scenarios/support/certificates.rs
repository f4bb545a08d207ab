//! Certificates as openssl makes them.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::run;

/// A CA that signs for one server and one client. What docker calls `DOCKER_CERT_PATH` is its directory `client`.
pub struct Authority(TempDir);

impl Authority {
    /// One with a server at this address.
    pub fn of_a_server_at(address: &str) -> Self {
        let authority = Self(tempfile::tempdir().unwrap());
        let name = super::world::unique("ca");
        let own = format!("req -x509 -newkey ed25519 -nodes -days 2 -subj /CN={name} -keyout ca-key.pem -out ca.pem");
        openssl(authority.path(""), &own);
        authority.sign("server", &format!("subjectAltName=IP:{address}\nextendedKeyUsage=serverAuth"));
        authority.sign("client", "extendedKeyUsage=clientAuth");
        authority
    }

    fn sign(&self, name: &str, extensions: &str) {
        let dir = self.path(name);
        std::fs::create_dir(&dir).unwrap();
        std::fs::copy(self.path("ca.pem"), dir.join("ca.pem")).unwrap();
        std::fs::write(dir.join("extensions"), extensions).unwrap();
        let request = format!("req -newkey ed25519 -nodes -subj /CN={name} -keyout key.pem -out request.pem");
        openssl(&dir, &request);
        let sign = "x509 -req -in request.pem -CA ../ca.pem -CAkey ../ca-key.pem -CAcreateserial -days 2 -extfile extensions \
                    -out cert.pem";
        openssl(&dir, sign);
    }

    /// `client`, `server`, or a file in one of them.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn openssl(dir: impl AsRef<Path>, arguments: &str) {
    run(Command::new("openssl").args(arguments.split_whitespace()).current_dir(dir));
}
