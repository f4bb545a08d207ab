//! Where the port comes from that an app's probes check. Pure.

use std::fmt;

use serde_json::Value;

/// The origin of the port in the values of a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::release) enum PortOrigin {
    Settings,
    Image,
    Default,
}

impl PortOrigin {
    /// `None` for values that are not slipway's.
    pub(in crate::release) fn from_values(values: &Value) -> Option<Self> {
        let is_set = |name: &str| values.get(name).is_some_and(|value| !value.is_null());
        if !(is_set("app") && is_set("image")) {
            return None;
        }
        // The values of earlier versions had the port at the top.
        let stated = values.pointer("/processes/web/port").is_some() || is_set("port");
        Some(if stated {
            Self::Settings
        } else if is_set("exposed_port") {
            Self::Image
        } else {
            Self::Default
        })
    }
}

impl fmt::Display for PortOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Settings => "the app's settings name the port",
            Self::Image => "the port is the lowest one that the Dockerfile EXPOSEs",
            Self::Default => "the Dockerfile EXPOSEs no port, so that the default is used",
        })
    }
}
