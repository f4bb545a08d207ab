//! CPU and memory of a process.

use serde::Serialize;

use super::super::limited_resources::LimitedResources;
use super::scalars::Quantity;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Resources {
    pub requests: ResourceQuantities,
    pub limits: ResourceQuantities,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ResourceQuantities {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Quantity>,
}

impl Resources {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Adds requests for the scheduler, and a limit of memory, so that a memory leak affects only its own app. There is no
    /// default limit of CPU: it would throttle an app while the node is idle. The defaults of the namespace's LimitRanges take
    /// precedence.
    pub fn with_defaults(&self, limited: LimitedResources) -> Self {
        let mut resources = self.clone();
        let (requests, limits) = (&mut resources.requests, &mut resources.limits);
        if !limited.cpu {
            requests.cpu = or_default(requests.cpu.take(), limits.cpu.as_ref(), Quantity::millicpus(50));
        }
        if !limited.memory {
            requests.memory = or_default(requests.memory.take(), limits.memory.as_ref(), Quantity::mebibytes(64));
            let limit = || requests.memory.clone().map(|request| request.max(Quantity::mebibytes(512)));
            limits.memory = limits.memory.take().or_else(limit);
        }
        resources
    }

    /// The API server refuses a request above its limit.
    pub fn check_requests(&self) -> Result<(), String> {
        let Self { requests, limits } = self;
        let pairs = [("cpu", &requests.cpu, &limits.cpu), ("memory", &requests.memory, &limits.memory)];
        for (name, request, limit) in pairs {
            if let (Some(request), Some(limit)) = (request, limit)
                && request.exceeds(limit)
            {
                return Err(format!("requests.{name} ({request}) is above limits.{name} ({limit})"));
            }
        }
        Ok(())
    }
}

/// The requested amount, else the default, or the limit if that is lower.
fn or_default(requested: Option<Quantity>, limit: Option<&Quantity>, default: Quantity) -> Option<Quantity> {
    requested.or_else(|| limit.filter(|limit| default.exceeds(limit)).cloned().or(Some(default)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantities(cpu: &str, memory: &str) -> ResourceQuantities {
        let quantity = |text: &str| (!text.is_empty()).then(|| text.to_owned().try_into().unwrap());
        ResourceQuantities { cpu: quantity(cpu), memory: quantity(memory) }
    }

    fn with_defaults(requests: (&str, &str), limits: (&str, &str), limited: LimitedResources) -> [String; 4] {
        let resources =
            Resources { requests: quantities(requests.0, requests.1), limits: quantities(limits.0, limits.1) };
        let Resources { requests, limits } = resources.with_defaults(limited);
        [requests.cpu, requests.memory, limits.cpu, limits.memory].map(|q| q.map(String::from).unwrap_or_default())
    }

    #[test]
    fn default_resources_give_way_to_the_limit_ranges_of_the_namespace() {
        let cpu = LimitedResources { cpu: true, memory: false };
        assert_eq!(with_defaults(("", ""), ("", ""), cpu), ["", "64Mi", "", "512Mi"]);
        assert_eq!(with_defaults(("10m", ""), ("", ""), cpu), ["10m", "64Mi", "", "512Mi"]);
        let memory = LimitedResources { cpu: false, memory: true };
        assert_eq!(with_defaults(("", ""), ("", "32Mi"), memory), ["50m", "", "", "32Mi"]);
    }

    #[test]
    fn default_resources_fit_those_that_are_set() {
        let none = LimitedResources::default();
        assert_eq!(with_defaults(("", ""), ("", ""), none), ["50m", "64Mi", "", "512Mi"]);
        assert_eq!(with_defaults(("", "1Gi"), ("", ""), none), ["50m", "1Gi", "", "1Gi"]);
        assert_eq!(with_defaults(("", ""), ("10m", "32Mi"), none), ["10m", "32Mi", "10m", "32Mi"]);
    }
}
