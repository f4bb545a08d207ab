//! TLS with an Engine on another machine: both sides show a certificate.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::{API_DEFAULT_VERSION, Docker};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use super::error::BuildError;

/// CA, certificate and key as docker has them in `DOCKER_CERT_PATH`.
const DOCKERS: [&str; 3] = ["ca.pem", "cert.pem", "key.pem"];
/// The same as a Secret of type `kubernetes.io/tls` has them.
const SECRETS: [&str; 3] = ["ca.crt", "tls.crt", "tls.key"];

/// By what slipway and the Engine know each other. Only the files' names are kept: they are read whenever the Engine is
/// asked anew what it speaks, at least twice a minute, so that certificates may be renewed while slipway runs.
#[derive(Debug, Clone)]
pub struct EngineTls {
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl EngineTls {
    /// What is in a directory: `ca.pem`, `cert.pem` and `key.pem`, or `ca.crt`, `tls.crt` and `tls.key`.
    ///
    /// # Errors
    /// [`BuildError::Certificates`] if a file is missing, is not what its name says, or does not fit another.
    pub fn read(dir: &Path) -> Result<Self, BuildError> {
        let are_there = |names: [&str; 3]| names.iter().any(|name| dir.join(name).exists());
        let names = if are_there(DOCKERS) || !are_there(SECRETS) { DOCKERS } else { SECRETS };
        let [ca, certificate, key] = names.map(|name| dir.join(name));
        let tls = Self { ca, certificate, key };
        tls.check()?;
        // The Engine's client takes the process's.
        let _ = aws_lc_rs::default_provider().install_default();
        Ok(tls)
    }

    /// A client that has not connected yet. As with docker itself, an Engine that the system's CAs vouch for is trusted too.
    pub(super) fn open(&self, host: &str, seconds: u64) -> Result<Docker, bollard::errors::Error> {
        Docker::connect_with_ssl(host, &self.key, &self.certificate, &self.ca, seconds, API_DEFAULT_VERSION)
    }

    /// Whether a connection could be made with these: the client itself would only be refused by the Engine.
    fn check(&self) -> Result<(), BuildError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.ca)? {
            roots.add(certificate).map_err(|error| wrong(&self.ca, error))?;
        }
        let (chain, key) = (certificates(&self.certificate)?, private_key(&self.key)?);
        ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_root_certificates(roots).with_client_auth_cert(chain, key))
            .map_err(|error| {
                wrong(&self.key, format!("it is not the key of {}: {error}", self.certificate.display()))
            })?;
        Ok(())
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BuildError> {
    let text = read(path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(|| wrong(path, "there is no certificate in it"))
}

/// What is wrong with a key is not told more exactly: the reason might hold a piece of it.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, BuildError> {
    PrivateKeyDer::from_pem_slice(&read(path)?)
        .map_err(|_| wrong(path, "there is no private key in it that could be read without a password"))
}

fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    std::fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            wrong(path, format!("it is missing: there have to be {}, or {}", DOCKERS.join(", "), SECRETS.join(", ")))
        }
        _ => wrong(path, error),
    })
}

fn wrong(path: &Path, reason: impl ToString) -> BuildError {
    BuildError::Certificates { path: path.display().to_string(), reason: reason.to_string() }
}

/// Why TLS failed, if it did: what an I/O error was made of is not among its sources.
pub(super) fn fault<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let inner = inner.and_then(|inner| fault(inner));
    error.downcast_ref().or(inner).or_else(|| fault(error.source()?))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A directory with a CA's certificate as all three, and the key to it.
    fn directory(names: [&str; 3]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let [ca, certificate, key] = names.map(|name| dir.path().join(name));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=test", "-keyout"]);
        assert!(openssl.arg(&key).arg("-out").arg(&ca).output().unwrap().status.success());
        std::fs::copy(ca, certificate).unwrap();
        dir
    }

    fn refused(dir: &tempfile::TempDir) -> String {
        EngineTls::read(dir.path()).unwrap_err().to_string()
    }

    #[test]
    fn certificates_have_dockers_names_or_a_secrets() {
        for names in [DOCKERS, SECRETS] {
            assert!(EngineTls::read(directory(names).path()).is_ok(), "{names:?}");
        }
    }

    #[test]
    fn a_file_that_is_missing_or_wrong_is_named() {
        let empty = tempfile::tempdir().unwrap();
        assert!(refused(&empty).contains("ca.pem: it is missing: there have to be ca.pem, cert.pem, key.pem, or"));
        for (names, name, reason) in [
            (DOCKERS, "ca.pem", "there is no certificate in it"),
            (DOCKERS, "cert.pem", "there is no certificate in it"),
            (SECRETS, "tls.key", "there is no private key in it"),
        ] {
            let dir = directory(names);
            std::fs::write(dir.path().join(name), "canary").unwrap();
            let error = refused(&dir);
            assert!(error.contains(&format!("{name}: {reason}")) && !error.contains("canary"), "{error}");
            std::fs::remove_file(dir.path().join(name)).unwrap();
            assert!(refused(&dir).contains(&format!("{name}: it is missing")));
        }
        let not_a_certificate = directory(DOCKERS);
        let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(not_a_certificate.path().join("ca.pem"), text).unwrap();
        assert!(refused(&not_a_certificate).contains("ca.pem: invalid"), "{}", refused(&not_a_certificate));
    }

    #[test]
    fn a_key_that_belongs_to_another_certificate_is_refused() {
        let (dir, other) = (directory(DOCKERS), directory(DOCKERS));
        std::fs::copy(other.path().join("key.pem"), dir.path().join("key.pem")).unwrap();
        assert!(refused(&dir).contains("key.pem: it is not the key of"), "{}", refused(&dir));
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot connect")]
    struct Outer(#[source] io::Error);

    #[test]
    fn a_fault_of_tls_is_found_however_deep_it_is() {
        let tls = rustls::Error::HandshakeNotComplete;
        let nested = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls.clone()));
        assert_eq!(fault(&Outer(nested)), Some(&tls));
        assert_eq!(fault(&Outer(io::ErrorKind::NotFound.into())), None);
    }
}
