//! Key pairs of SSH clients and servers.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};

/// Generates an Ed25519 key.
pub fn generate() -> Result<PrivateKey> {
    PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).context("cannot generate a key")
}

/// The public key as a line of `authorized_keys`.
pub fn public_key_line(key: &PrivateKey) -> Result<String> {
    key.public_key().to_openssh().context("cannot encode a public key")
}

/// Generates a key, writes the private key to a file, and returns the public key's line.
pub fn generate_to_file(path: &Path) -> Result<String> {
    let key = generate()?;
    write_private_key(&key, path)?;
    public_key_line(&key)
}

/// Writes a private key with mode 0600, which ssh and sshd insist on.
pub fn write_private_key(key: &PrivateKey, path: &Path) -> Result<()> {
    let text = key.to_openssh(LineEnding::LF).context("cannot encode a private key")?;
    let file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
    std::io::Write::write_all(&mut file, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}
