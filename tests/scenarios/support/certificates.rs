//! TLS certificates, made with openssl.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::{environment, run};

/// A CA with the certificates of one server and one client. Its directory `client` can be used as `DOCKER_CERT_PATH`.
pub struct CertificateAuthority(TempDir);

impl CertificateAuthority {
    /// Issues certificates for a server at this IP address, and for a client.
    pub fn for_server(address: &str) -> Self {
        let authority = Self(tempfile::tempdir().unwrap());
        let name = environment::unique_name("ca");
        let own = format!("req -x509 -newkey ed25519 -nodes -days 2 -subj /CN={name} -keyout ca-key.pem -out ca.pem");
        openssl(authority.path(""), &own);
        authority.issue("server", &format!("subjectAltName=IP:{address}\nextendedKeyUsage=serverAuth"));
        authority.issue("client", "extendedKeyUsage=clientAuth");
        authority
    }

    fn issue(&self, name: &str, extensions: &str) {
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

    /// The path of `ca.pem`, `client`, `server`, or a file in one of these directories.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

fn openssl(dir: impl AsRef<Path>, arguments: &str) {
    run(Command::new("openssl").args(arguments.split_whitespace()).current_dir(dir));
}
