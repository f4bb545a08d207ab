//! A Service: it has an address. Only one of type LoadBalancer is given its address by someone else.

use k8s_openapi::api::core::v1::{ServiceSpec, ServiceStatus};
use kube::api::DynamicObject;

use super::{Readiness, State, part};

pub(super) fn read(object: &DynamicObject) -> State {
    let spec = part::<ServiceSpec>(object, "spec").unwrap_or_default();
    let balancer = part::<ServiceStatus>(object, "status").and_then(|status| status.load_balancer).unwrap_or_default();
    let has_address = balancer.ingress.is_some_and(|addresses| !addresses.is_empty())
        || spec.external_ips.is_some_and(|addresses| !addresses.is_empty());
    if spec.type_.as_deref() == Some("LoadBalancer") && !has_address {
        return State::waiting("its load balancer has no address");
    }
    State::of(Readiness::Ready)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Rule;
    use super::super::testing::readiness;
    use super::*;

    #[test]
    fn only_a_load_balancer_is_waited_for() {
        let address = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
        for (spec, status, expected) in [
            (json!({"type": "ClusterIP"}), json!({"loadBalancer": {}}), Readiness::Ready),
            (json!({"type": "ExternalName", "externalName": "example.com"}), json!(null), Readiness::Ready),
            (json!({"type": "LoadBalancer"}), json!({"loadBalancer": {}}), Readiness::Progressing),
            (json!({"type": "LoadBalancer"}), json!({"loadBalancer": {"ingress": []}}), Readiness::Progressing),
            (json!({"type": "LoadBalancer"}), address, Readiness::Ready),
            (json!({"type": "LoadBalancer", "externalIPs": ["192.0.2.1"]}), json!({}), Readiness::Ready),
        ] {
            assert_eq!(readiness(Rule::Service, spec.clone(), status), expected, "{spec}");
        }
    }
}
