//! A Service of type LoadBalancer is ready when it has an external address; all others are ready at once.

use k8s_openapi::api::core::v1::{ServiceSpec, ServiceStatus};
use kube::api::DynamicObject;

use super::status::{ObjectReadiness, ObjectStatus, parse_field};

pub(super) fn read_status(object: &DynamicObject) -> ObjectStatus {
    let spec = parse_field::<ServiceSpec>(object, "spec").unwrap_or_default();
    let status = parse_field::<ServiceStatus>(object, "status");
    let balancer = status.and_then(|status| status.load_balancer).unwrap_or_default();
    let has_address = balancer.ingress.is_some_and(|addresses| !addresses.is_empty())
        || spec.external_ips.is_some_and(|addresses| !addresses.is_empty());
    if spec.type_.as_deref() == Some("LoadBalancer") && !has_address {
        return ObjectStatus::progressing("its load balancer has no address");
    }
    ObjectStatus::new(ObjectReadiness::Ready)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::TrackedKind;
    use super::super::testing::readiness;
    use super::*;

    #[test]
    fn only_a_load_balancer_has_to_get_an_address() {
        let address = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
        for (spec, status, expected) in [
            (json!({"type": "ClusterIP"}), json!({"loadBalancer": {}}), ObjectReadiness::Ready),
            (json!({"type": "ExternalName", "externalName": "example.com"}), json!(null), ObjectReadiness::Ready),
            (json!({"type": "LoadBalancer"}), json!({"loadBalancer": {}}), ObjectReadiness::Progressing),
            (json!({"type": "LoadBalancer"}), json!({"loadBalancer": {"ingress": []}}), ObjectReadiness::Progressing),
            (json!({"type": "LoadBalancer"}), address, ObjectReadiness::Ready),
            (json!({"type": "LoadBalancer", "externalIPs": ["192.0.2.1"]}), json!({}), ObjectReadiness::Ready),
        ] {
            assert_eq!(readiness(TrackedKind::Service, spec.clone(), status), expected, "{spec}");
        }
    }
}
