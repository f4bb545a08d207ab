//! Key pairs of clients and servers.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};

/// A new Ed25519 key.
///
/// # Errors
/// If the system has no randomness.
pub fn new() -> Result<PrivateKey> {
    PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).context("cannot make a key")
}

/// The public half as a line of `authorized_keys`.
///
/// # Errors
/// If it cannot be written down.
pub fn line(key: &PrivateKey) -> Result<String> {
    key.public_key().to_openssh().context("cannot write a key down")
}

/// Makes a key pair and writes its private half to a file that only its owner reads; the public half's line.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path) -> Result<String> {
    let key = new()?;
    save(&key, path)?;
    line(&key)
}

/// Writes a private key to a file that only its owner reads.
///
/// # Errors
/// If the file cannot be written.
pub fn save(key: &PrivateKey, path: &Path) -> Result<()> {
    let text = key.to_openssh(LineEnding::LF).context("cannot write a key down")?;
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
    std::io::Write::write_all(&mut file, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}
