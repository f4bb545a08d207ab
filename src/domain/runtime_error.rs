//! The messages of container runtimes.

/// The words that runtimes put in front of the cause of a failed start, the innermost layer first.
const WRAPPERS: [&str; 3] =
    ["starting container process caused: ", "unable to start container process: ", "OCI runtime create failed: "];

/// The cause in a runtime's message about a container that could not start; the whole message if it is no such message.
///
/// runc, containerd, the Engine and the kubelet each put their own words in front of the cause.
pub fn runtime_cause(message: &str) -> &str {
    let cause = WRAPPERS.iter().find_map(|wrapper| message.rsplit_once(wrapper).map(|(_, cause)| cause));
    let cause = cause.unwrap_or(message).trim_end();
    cause.strip_suffix(": unknown").unwrap_or(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_stays_without_the_layers_that_reported_it() {
        let missing = "exec: \"/nope\": stat /nope: no such file or directory";
        for message in [
            "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: \
             unable to start container process: exec: \"/nope\": stat /nope: no such file or directory: unknown",
            "failed to start container \"5b0\": Error response from daemon: OCI runtime create failed: \
             container_linux.go:380: starting container process caused: exec: \"/nope\": stat /nope: no such file or \
             directory: unknown",
        ] {
            assert_eq!(runtime_cause(message), missing);
        }
        let other = "OCI runtime create failed: runc did not terminate successfully: exit status 2: unknown";
        assert_eq!(runtime_cause(other), "runc did not terminate successfully: exit status 2");
        assert_eq!(runtime_cause("secret \"x\" not found"), "secret \"x\" not found");
    }
}
