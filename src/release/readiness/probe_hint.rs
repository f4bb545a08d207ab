//! Hints for an app that runs and does not pass its probe. Pure.

use super::port_origin::PortOrigin;

/// Explains the kubelet's message about a failed probe, as far as it says something about the app's port.
pub(super) fn explain_probe_failure(event: Option<&str>, origin: Option<PortOrigin>) -> Option<String> {
    let event = event?;
    let cause = if event.contains("connection refused") {
        "Nothing listens on that port of the pod's address: the app may still be starting, may listen on another port, \
         or on 127.0.0.1 only, where probes and other pods do not reach it (it has to listen on 0.0.0.0 or [::])"
    } else if event.contains("statuscode:") {
        "The app listens on that port, and answers with that status"
    } else if is_timeout(event) {
        "The port did not answer in time: the app may be busy, or a firewall may drop the connection"
    } else {
        return None;
    };
    Some(match origin {
        Some(origin) => format!("{cause}; {origin}, and the app gets it in the variable PORT"),
        None => cause.to_owned(),
    })
}

fn is_timeout(event: &str) -> bool {
    ["timeout", "deadline exceeded", "Client.Timeout"].iter().any(|text| event.contains(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failed_probe_is_explained_with_the_origin_of_its_port() {
        let explain = |event: &str, values: serde_json::Value| {
            explain_probe_failure(Some(event), PortOrigin::from_values(&values)).unwrap_or_default()
        };
        let refused = "Startup probe failed: dial tcp 10.0.0.9:8080: connect: connection refused";
        let of_image = explain(refused, json!({"app": "a", "image": "i", "exposed_port": 8080}));
        assert!(of_image.contains("127.0.0.1 only") && of_image.contains("the Dockerfile EXPOSEs,"), "{of_image}");
        let default = explain(refused, json!({"app": "a", "image": "i"}));
        assert!(default.contains("EXPOSEs no port"), "{default}");
        let set = explain(refused, json!({"app": "a", "image": "i", "port": 81}));
        assert!(set.contains("settings"), "{set}");
        assert!(!explain(refused, json!({"port": 81})).contains("PORT"));
        let status = explain("Readiness probe failed: HTTP probe failed with statuscode: 404", json!({}));
        assert!(status.starts_with("The app listens"), "{status}");
        assert!(explain("Startup probe failed: dial tcp 10.0.0.9:8080: i/o timeout", json!({})).contains("in time"));
        assert_eq!(explain("Startup probe failed: exit 1", json!({})), "");
    }
}
