//! The cryptographic algorithms that the server offers.
//!
//! The client's preference decides which offered algorithm is used, so every possible choice has to be safe.
//! ChaCha20-Poly1305 and the encrypt-then-MAC modes are safe only together with strict key exchange (the Terrapin attack,
//! CVE-2023-48795), which a client need not support: they are not offered. Neither is compression: packs are compressed
//! already, and the server would decompress input from clients that have not authenticated.
//!
//! The NIST curves are for clients in FIPS mode, which have no Curve25519. The host key is Ed25519, which FIPS 186-5 allows.
//!
//! `diffie-hellman-group14-sha256` is not offered. A client that needs it has no elliptic curves, so it is older than OpenSSH
//! 5.7 (2011), and has no AES-GCM either (OpenSSH 6.2). Its group has 112 bits of security, the least of all methods here, at
//! the highest cost for a server that has not authenticated the client yet.

use std::borrow::Cow;

use russh::keys::ssh_key::{Algorithm, EcdsaCurve, HashAlg};
use russh::{Preferred, cipher, compression, kex, mac};

const KEY_EXCHANGES: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];

/// For host keys and for users' keys. The host key is always Ed25519.
const SIGNATURES: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::SkEd25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::SkEcdsaSha2NistP256,
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];

/// Without AES-CTR: OpenSSH would prefer it, and with a separate MAC it is several times slower.
const CIPHERS: &[cipher::Name] = &[cipher::AES_256_GCM, cipher::AES_128_GCM];

/// The ciphers above need no MAC, but some clients require a common one all the same.
const MACS: &[mac::Name] = &[mac::HMAC_SHA256, mac::HMAC_SHA512];

const COMPRESSIONS: &[compression::Name] = &[compression::NONE];

pub(super) fn preferred() -> Preferred {
    Preferred {
        kex: Cow::Borrowed(KEY_EXCHANGES),
        key: Cow::Borrowed(SIGNATURES),
        host_key_certificates: Cow::Borrowed(&[]),
        cipher: Cow::Borrowed(CIPHERS),
        mac: Cow::Borrowed(MACS),
        compression: Cow::Borrowed(COMPRESSIONS),
    }
}

/// Whether signatures by this algorithm are accepted. `ssh-rsa`, RSA with SHA-1, is not.
pub(super) fn is_accepted(algorithm: &Algorithm) -> bool {
    SIGNATURES.contains(algorithm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_algorithms_are_not_offered() {
        let offered = preferred();
        let names: Vec<&str> = (offered.kex.iter().map(AsRef::as_ref))
            .chain(offered.cipher.iter().map(AsRef::as_ref))
            .chain(offered.mac.iter().map(AsRef::as_ref))
            .collect();
        for weak in ["sha1", "cbc", "chacha20", "etm", "group1-", "group14", "3des", "arcfour", "none", "zlib"] {
            assert!(!names.iter().any(|name| name.contains(weak)), "{weak} in {names:?}");
        }
        assert!(!is_accepted(&Algorithm::Rsa { hash: None }));
        assert!(!is_accepted(&Algorithm::Dsa));
    }
}
