//! Mutual TLS with an Engine on another machine.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::{API_DEFAULT_VERSION, Docker};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::error::BuildError;

/// The names of CA, certificate and key in a `DOCKER_CERT_PATH`.
const DOCKER_FILES: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];
/// The names of CA, certificate and key in a Secret of type `kubernetes.io/tls`.
const K8S_SECRET_FILES: [&str; 3] = ["ca.crt", "tls.crt", "tls.key"];

/// The paths of the TLS files. The files are read again with each negotiation with the Engine, at least twice a minute,
/// so that certificates can be renewed while slipway runs.
#[derive(Debug, Clone)]
pub struct EngineTls {
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl EngineTls {
    /// The files of a directory: `ca.pem`, `cert.pem` and `key.pem`, or `ca.crt`, `tls.crt` and `tls.key`.
    ///
    /// # Errors
    /// [`BuildError::InvalidTlsFile`] if a file is missing or invalid, or the key does not belong to the certificate.
    pub fn from_dir(dir: &Path) -> Result<Self, BuildError> {
        let any_exists = |names: [&str; 3]| names.iter().any(|name| dir.join(name).exists());
        let names =
            if any_exists(DOCKER_FILES) || !any_exists(K8S_SECRET_FILES) { DOCKER_FILES } else { K8S_SECRET_FILES };
        let [ca, certificate, key] = names.map(|name| dir.join(name));
        let tls = Self { ca, certificate, key };
        tls.validate()?;
        // The Engine's client uses the default provider of the process.
        let _ = aws_lc_rs::default_provider().install_default();
        Ok(tls)
    }

    /// A client that is not connected yet. Like the docker CLI, it also trusts the system's CAs.
    pub(super) fn connect(&self, host: &str, timeout_seconds: u64) -> Result<Docker, bollard::errors::Error> {
        Docker::connect_with_ssl(host, &self.key, &self.certificate, &self.ca, timeout_seconds, API_DEFAULT_VERSION)
    }

    /// Checks the files at start: the client would fail only with the first connection.
    fn validate(&self) -> Result<(), BuildError> {
        let mut roots = RootCertStore::empty();
        for certificate in read_certificates(&self.ca)? {
            roots.add(certificate).map_err(|error| invalid_file(&self.ca, error))?;
        }
        let (chain, key) = (read_certificates(&self.certificate)?, read_private_key(&self.key)?);
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_root_certificates(roots).with_client_auth_cert(chain, key))
            .map_err(|error| {
                let reason = format!("it is not the key of {}: {error}", self.certificate.display());
                invalid_file(&self.key, reason)
            })?;
        Ok(())
    }
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BuildError> {
    let text = read_file(path)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = certificates.ok().filter(|certificates| !certificates.is_empty());
    certificates.ok_or_else(|| invalid_file(path, "there is no certificate in it"))
}

/// The parser's error is left out of the message: it might contain a part of the key.
fn read_private_key(path: &Path) -> Result<PrivateKeyDer<'static>, BuildError> {
    PrivateKeyDer::from_pem_slice(&read_file(path)?)
        .map_err(|_| invalid_file(path, "there is no private key in it that can be read without a password"))
}

fn read_file(path: &Path) -> Result<Vec<u8>, BuildError> {
    std::fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let (docker, secret) = (DOCKER_FILES.join(", "), K8S_SECRET_FILES.join(", "));
            invalid_file(path, format!("it is missing: the directory needs {docker}, or {secret}"))
        }
        _ => invalid_file(path, error),
    })
}

fn invalid_file(path: &Path, reason: impl ToString) -> BuildError {
    BuildError::InvalidTlsFile { path: path.display().to_string(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A directory with one self-signed certificate as CA and as client certificate, and its key.
    fn directory(names: [&str; 3]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let [ca, certificate, key] = names.map(|name| dir.path().join(name));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=test", "-keyout"]);
        assert!(openssl.arg(&key).arg("-out").arg(&ca).output().unwrap().status.success());
        std::fs::copy(ca, certificate).unwrap();
        dir
    }

    fn error_of(dir: &tempfile::TempDir) -> String {
        EngineTls::from_dir(dir.path()).unwrap_err().to_string()
    }

    #[test]
    fn files_have_the_names_of_docker_or_of_a_secret() {
        for names in [DOCKER_FILES, K8S_SECRET_FILES] {
            assert!(EngineTls::from_dir(directory(names).path()).is_ok(), "{names:?}");
        }
    }

    #[test]
    fn a_missing_or_invalid_file_is_named() {
        let empty = tempfile::tempdir().unwrap();
        assert!(error_of(&empty).contains("ca.pem: it is missing: the directory needs ca.pem, cert.pem, key.pem, or"));
        for (names, name, reason) in [
            (DOCKER_FILES, "ca.pem", "there is no certificate in it"),
            (DOCKER_FILES, "cert.pem", "there is no certificate in it"),
            (K8S_SECRET_FILES, "tls.key", "there is no private key in it"),
        ] {
            let dir = directory(names);
            std::fs::write(dir.path().join(name), "canary").unwrap();
            let error = error_of(&dir);
            assert!(error.contains(&format!("{name}: {reason}")) && !error.contains("canary"), "{error}");
            std::fs::remove_file(dir.path().join(name)).unwrap();
            assert!(error_of(&dir).contains(&format!("{name}: it is missing")));
        }
        let not_a_certificate = directory(DOCKER_FILES);
        let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(not_a_certificate.path().join("ca.pem"), text).unwrap();
        assert!(error_of(&not_a_certificate).contains("ca.pem: invalid"), "{}", error_of(&not_a_certificate));
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (dir, other) = (directory(DOCKER_FILES), directory(DOCKER_FILES));
        std::fs::copy(other.path().join("key.pem"), dir.path().join("key.pem")).unwrap();
        assert!(error_of(&dir).contains("key.pem: it is not the key of"), "{}", error_of(&dir));
    }
}
