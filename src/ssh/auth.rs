//! Which keys let a client in.
//!
//! The user name that a client gives is not looked at (`git@` and `alice@` are the same): who somebody is
//! follows from the key that signed. So an unknown user and a known one with a wrong key cannot differ.

use russh::keys::PublicKey;
use russh::keys::ssh_key::Algorithm;
use russh::server::Auth;

use super::algorithms;
use super::invocation::Backend;

/// Whether this key would let somebody in. It says nothing about who is there: anyone can offer a public key, and
/// only the session knows whether the client has signed with it.
pub fn judge(backend: &impl Backend, key: &PublicKey, algorithm: &Algorithm) -> Auth {
    if algorithms::is_accepted(algorithm) && backend.identify(key).is_some() { Auth::Accept } else { Auth::reject() }
}
