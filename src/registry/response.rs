//! Classifies the registry's error responses.

use oci_distribution::errors::{OciDistributionError, OciEnvelope, OciErrorCode};

use super::error::RegistryError;
use super::reference::Address;

pub(super) fn classify_error(address: &Address, error: OciDistributionError) -> RegistryError {
    use OciDistributionError::{
        AuthenticationFailure, RegistryError as ErrorEnvelope, RequestError, ServerError, UnauthorizedError,
    };
    let address = address.to_string();
    match error {
        RequestError(_) => RegistryError::Unreachable(address, Some(error)),
        AuthenticationFailure(_) | UnauthorizedError { .. } | ServerError { code: 401 | 403, .. } => {
            RegistryError::CredentialsRejected(address, error)
        }
        ErrorEnvelope { ref envelope, .. } if is_denied(envelope) => RegistryError::CredentialsRejected(address, error),
        ServerError { code: 507, .. } => RegistryError::Full(address, error),
        ServerError { code, ref message, .. } if code >= 500 && is_disk_full(message) => {
            RegistryError::Full(address, error)
        }
        ServerError { code, .. } if code >= 500 => RegistryError::ServerError { address, status: code, source: error },
        error => RegistryError::UnexpectedAnswer(address, error),
    }
}

/// Whether the registry has no such manifest or repository.
pub(super) fn is_unknown(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ImageManifestNotFoundError(_) => true,
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::RegistryError { envelope, .. } => envelope
            .errors
            .iter()
            .any(|error| matches!(error.code, OciErrorCode::ManifestUnknown | OciErrorCode::NameUnknown)),
        _ => false,
    }
}

fn is_denied(envelope: &OciEnvelope) -> bool {
    envelope.errors.iter().any(|error| matches!(error.code, OciErrorCode::Unauthorized | OciErrorCode::Denied))
}

/// Docker's registry answers with status 500 when its disk is full, and has the errno of the failed system call in the
/// details: 28 is ENOSPC, 122 is EDQUOT.
fn is_disk_full(body: &str) -> bool {
    let Ok(body) = serde_json::from_str::<serde_json::Value>(body) else { return false };
    let errors = body.get("errors").and_then(|errors| errors.as_array()).into_iter().flatten();
    let numbers = errors.filter_map(|error| error.pointer("/detail/Enclosed/Err").and_then(serde_json::Value::as_i64));
    numbers.into_iter().any(|number| matches!(number, 28 | 122))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_recognised_by_its_errno() {
        let full = r#"{"errors":[{"code":"UNKNOWN","message":"unknown error",
            "detail":{"DriverName":"filesystem","Enclosed":{"Op":"mkdir","Path":"/x","Err":28}}}]}"#;
        assert!(is_disk_full(full));
        assert!(!is_disk_full(&full.replace("28", "13")));
        assert!(!is_disk_full("gateway timeout"));
    }

    #[test]
    fn error_responses_become_errors_that_a_pusher_can_act_on() {
        let address: Address = "localhost:5000".parse().unwrap();
        let server =
            |code, message: &str| OciDistributionError::ServerError { code, url: "u".into(), message: message.into() };
        let classify = |error| classify_error(&address, error);
        assert!(matches!(classify(server(507, "")), RegistryError::Full(..)));
        assert!(matches!(classify(server(502, "")), RegistryError::ServerError { status: 502, .. }));
        assert!(matches!(classify(server(404, "")), RegistryError::UnexpectedAnswer(..)));
        assert!(matches!(classify(server(401, "")), RegistryError::CredentialsRejected(..)));
        assert!(matches!(classify(server(403, "")), RegistryError::CredentialsRejected(..)));
        let envelope = |code: &str| OciDistributionError::RegistryError {
            envelope: serde_json::from_str(&format!(r#"{{"errors":[{{"code":"{code}"}}]}}"#)).unwrap(),
            url: "u".into(),
        };
        assert!(matches!(classify(envelope("DENIED")), RegistryError::CredentialsRejected(..)));
        assert!(matches!(classify(envelope("NAME_UNKNOWN")), RegistryError::UnexpectedAnswer(..)));
        let rejected = classify(OciDistributionError::UnauthorizedError { url: "u".into() });
        assert_eq!(rejected.to_string(), "the registry localhost:5000 refuses slipway's credentials");
    }
}
