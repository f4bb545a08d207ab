//! The LimitRanges of an app's namespace.

use k8s_openapi::api::core::v1::{LimitRange, LimitRangeItem};
use kube::Api;
use kube::api::ListParams;

use super::error::AppsError;
use super::handle::Apps;
use crate::domain::{AppName, LimitedResources};
use crate::k8s::with_retries;

impl Apps {
    /// The resources that a LimitRange of the app's namespace sets for containers.
    ///
    /// # Errors
    /// [`AppsError`] if the API server does not respond, or refuses.
    pub async fn limited_resources(&self, app: &AppName) -> Result<LimitedResources, AppsError> {
        let ranges: Api<LimitRange> = Api::namespaced(self.client.clone(), app.as_str());
        // From the server's cache, like all decisions about admission.
        let params = ListParams::default().at("0");
        let listed = match with_retries("reading the LimitRanges", || ranges.list(&params)).await {
            Err(error) if error.status().is_some_and(|status| status.code == 403) => {
                tracing::warn!(%app, "slipway may not list the LimitRanges of the namespace, so its chart may contradict them");
                return Ok(LimitedResources::default());
            }
            listed => listed?,
        };
        let items = listed.items.into_iter().filter_map(|range| range.spec).flat_map(|spec| spec.limits);
        Ok(find_limited(&items.collect::<Vec<_>>()))
    }
}

fn find_limited(items: &[LimitRangeItem]) -> LimitedResources {
    let limits = |resource: &str| {
        items.iter().filter(|item| item.type_ == "Container").any(|item| {
            let LimitRangeItem { default, default_request, max, min, .. } = item;
            [default, default_request, max, min].into_iter().flatten().any(|values| values.contains_key(resource))
        })
    };
    LimitedResources { cpu: limits("cpu"), memory: limits("memory") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_limits_of_containers_count() {
        let items = |value: serde_json::Value| serde_json::from_value::<Vec<LimitRangeItem>>(value).unwrap();
        let limited = find_limited(&items(json!([
            {"type": "Pod", "max": {"memory": "1Gi"}},
            {"type": "Container", "default": {"cpu": "20m"}},
        ])));
        assert_eq!(limited, LimitedResources { cpu: true, memory: false });
        let limited = find_limited(&items(json!([{"type": "Container", "min": {"memory": "1Mi"}}])));
        assert_eq!(limited, LimitedResources { cpu: false, memory: true });
    }
}
