//! Public key authentication.
//!
//! The user name that a client sends is ignored (`git@` and `alice@` are equal): the key that signed determines the
//! identity. So the answer for an unknown user cannot differ from that for a known user with a wrong key.

use russh::keys::PublicKey;
use russh::keys::ssh_key::Algorithm;
use russh::server::Auth;

use super::algorithms;
use super::handler::CommandHandler;

/// Whether a user with this key may log in. Anyone can offer a public key: only the session can tell whether the client
/// has signed with it.
pub(super) fn check_key(handler: &impl CommandHandler, key: &PublicKey, algorithm: &Algorithm) -> Auth {
    if algorithms::is_accepted(algorithm) && handler.identify(key).is_some() { Auth::Accept } else { Auth::reject() }
}
