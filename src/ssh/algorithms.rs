//! Which cryptography is offered.
//!
//! A client picks by its own preference from what is offered here, so only what is safe under every
//! choice is offered. ChaCha20-Poly1305 and the encrypt-then-MAC modes are safe only together with strict
//! key exchange (the Terrapin attack, CVE-2023-48795), which a client need not support: they are left out.
//! Compression is left out as well: packs are compressed already, and inflating before a client is known
//! would be a gift to him.

use std::borrow::Cow;

use russh::keys::ssh_key::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, compression, kex, mac};

const KEY_EXCHANGE: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];

/// For host keys and for the keys of users. The host has an Ed25519 key only.
const KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::SkEd25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::SkEcdsaSha2NistP256,
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// OpenSSH would prefer AES-CTR with a separate MAC, which is several times slower.
const CIPHERS: &[cipher::Name] = &[cipher::AES_256_GCM, cipher::AES_128_GCM];

/// Not used with the ciphers above; some clients want to agree on one all the same.
const MACS: &[mac::Name] = &[mac::HMAC_SHA256, mac::HMAC_SHA512];

const COMPRESSION: &[compression::Name] = &[compression::NONE];

/// What is offered to every client.
pub fn preferred() -> Preferred {
    Preferred {
        kex: Cow::Borrowed(KEY_EXCHANGE),
        key: Cow::Borrowed(KEYS),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: Cow::Borrowed(CIPHERS),
        mac: Cow::Borrowed(MACS),
        compression: Cow::Borrowed(COMPRESSION),
    }
}

/// Whether a signature by this algorithm counts. `ssh-rsa` is RSA with SHA-1.
pub fn is_accepted(algorithm: &Algorithm) -> bool {
    KEYS.contains(algorithm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_weak_is_offered() {
        let offered = preferred();
        let names: Vec<&str> = (offered.kex.iter().map(AsRef::as_ref))
            .chain(offered.cipher.iter().map(AsRef::as_ref))
            .chain(offered.mac.iter().map(AsRef::as_ref))
            .collect();
        for weak in ["sha1", "cbc", "chacha20", "etm", "group1-", "3des", "arcfour", "none", "zlib"] {
            assert!(!names.iter().any(|name| name.contains(weak)), "{weak} in {names:?}");
        }
        assert!(!is_accepted(&Algorithm::Rsa { hash: None }));
        assert!(!is_accepted(&Algorithm::Dsa));
    }
}
