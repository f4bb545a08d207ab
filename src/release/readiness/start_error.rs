//! Errors with which the kubelet cannot start a container: whether a later attempt may succeed. Pure.

use std::time::Duration;

use super::container_end::cannot_be_started;

/// How long such an error may last, if a later attempt may succeed. The kubelet pulls an image again after 10 s, and then
/// after 20 s more.
pub(super) const START_ERROR_GRACE: Duration = Duration::from_secs(40);

/// Parts of the messages by which registries and runtimes refuse an image for good.
const REFUSED_PULLS: [&str; 15] = [
    "not found",
    "manifest unknown",
    "name unknown",
    "unauthorized",
    "authentication required",
    "no basic auth credentials",
    "denied",
    "forbidden",
    "no match for platform",
    "no matching manifest",
    "invalid reference",
    "repository does not exist",
    "x509:",
    "server gave http response to https client",
    "unsupported",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StartError {
    /// The image cannot be pulled, and the message says why.
    Pull,
    /// The kubelet waits before it pulls the image again.
    PullBackOff,
    /// The image's name is invalid, or the node may not pull it.
    Image,
    /// The container cannot be created from its configuration, or not be started.
    Creation,
}

impl StartError {
    /// `reason` is the kubelet's.
    pub(super) fn from_reason(reason: &str) -> Option<Self> {
        Some(match reason {
            "ErrImagePull" | "RegistryUnavailable" => Self::Pull,
            "ImagePullBackOff" => Self::PullBackOff,
            "InvalidImageName" | "ErrImageInspect" | "ErrImageNeverPull" => Self::Image,
            "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" | "PostStartHookError" => {
                Self::Creation
            }
            _ => return None,
        })
    }

    /// Whether every later attempt fails as well.
    pub(super) fn is_permanent(self, message: &str) -> bool {
        match self {
            Self::Image => true,
            Self::Pull | Self::PullBackOff => {
                let message = message.to_lowercase();
                REFUSED_PULLS.iter().any(|text| message.contains(text))
            }
            // A Secret or ConfigMap that is missing may be created by a controller of its own.
            Self::Creation => cannot_be_started(Some(message)) || message.contains("runAsNonRoot"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_permanent_if_the_answer_stays_the_same() {
        let is_permanent = |reason: &str, message: &str| StartError::from_reason(reason).unwrap().is_permanent(message);
        for (reason, message, expected) in [
            ("ErrImagePull", "manifest for r/a@sha256:0 not found: manifest unknown: manifest unknown", true),
            ("ErrImagePull", "pull access denied for a, repository does not exist or may require 'docker login'", true),
            ("ErrImagePull", "failed to authorize: 401 Unauthorized", true),
            ("ErrImagePull", "dial tcp 127.0.0.1:5000: connect: connection refused", false),
            ("ErrImagePull", "dial tcp: lookup registry.example: no such host", false),
            ("ErrImagePull", "received unexpected HTTP status: 503 Service Unavailable", false),
            ("ImagePullBackOff", "Back-off pulling image \"r/a\"", false),
            ("ImagePullBackOff", "Back-off pulling image \"r/a\": ErrImagePull: r/a: not found", true),
            ("InvalidImageName", "couldn't parse image reference", true),
            ("ErrImageNeverPull", "Container image is not present with pull policy of Never", true),
            ("CreateContainerConfigError", "secret \"database\" not found", false),
            ("CreateContainerConfigError", "container has runAsNonRoot and image will run as root", true),
            ("CreateContainerError", "context deadline exceeded", false),
            ("RunContainerError", "exec: \"app\": executable file not found in $PATH", true),
        ] {
            assert_eq!(is_permanent(reason, message), expected, "{reason}: {message}");
        }
        assert_eq!(StartError::from_reason("ContainerCreating"), None);
    }
}
