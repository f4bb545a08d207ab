//! Finds the TLS error in an error of the Engine's client.

use std::error::Error;
use std::io;

/// Searches the sources of `error`, and the errors that an I/O error wraps without naming them as its sources.
pub(super) fn find_tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    let wrapped = wrapped.and_then(|wrapped| find_tls_error(wrapped));
    error.downcast_ref().or(wrapped).or_else(|| find_tls_error(error.source()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot connect")]
    struct Outer(#[source] io::Error);

    #[test]
    fn a_tls_error_is_found_at_any_depth() {
        let tls = rustls::Error::HandshakeNotComplete;
        let nested = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls.clone()));
        assert_eq!(find_tls_error(&Outer(nested)), Some(&tls));
        assert_eq!(find_tls_error(&Outer(io::ErrorKind::NotFound.into())), None);
    }
}
