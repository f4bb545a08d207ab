//! Checks of slipway's own RBAC permissions with SelfSubjectAccessReviews.

use futures_util::future::try_join_all;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};

use super::request::{ApiError, with_retries};

/// One action on one resource, as RBAC describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    pub verb: &'static str,
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The resource, with its subresource if there is one: `pods/log`.
    pub resource: &'static str,
    /// The name of the object; `None` for every object of the resource.
    pub name: Option<String>,
    /// `None` for the whole cluster.
    pub namespace: Option<String>,
}

impl std::fmt::Display for Permission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { verb, group, resource, .. } = self;
        write!(f, "{verb} {resource}")?;
        if !group.is_empty() {
            write!(f, ".{group}")?;
        }
        if let Some(name) = &self.name {
            write!(f, " {name:?}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => write!(f, " in the whole cluster"),
        }
    }
}

/// The entries of `permissions` that slipway does not have.
///
/// # Errors
/// [`ApiError`] if a review failed.
pub async fn missing_permissions(client: &Client, permissions: Vec<Permission>) -> Result<Vec<Permission>, ApiError> {
    let reviews = permissions.into_iter().map(async |permission| {
        let allowed = has_permission(client, &permission).await?;
        Ok::<_, ApiError>((permission, allowed))
    });
    let reviews = try_join_all(reviews).await?;
    Ok(reviews.into_iter().filter(|(_, allowed)| !allowed).map(|(permission, _)| permission).collect())
}

/// Whether the API server's authorizer grants slipway this permission now.
///
/// # Errors
/// [`ApiError`] if a review failed.
pub async fn has_permission(client: &Client, permission: &Permission) -> Result<bool, ApiError> {
    let (resource, subresource) =
        permission.resource.split_once('/').map_or((permission.resource, None), |(r, s)| (r, Some(s)));
    let attributes = ResourceAttributes {
        verb: Some(permission.verb.to_owned()),
        group: Some(permission.group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource: subresource.map(str::to_owned),
        name: permission.name.clone(),
        namespace: permission.namespace.clone(),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    let review = SelfSubjectAccessReview { spec, ..Default::default() };
    let (reviews, params): (Api<SelfSubjectAccessReview>, _) = (Api::all(client.clone()), PostParams::default());
    let review = with_retries("reviewing slipway's permissions", || reviews.create(&params, &review)).await?;
    Ok(review.status.is_some_and(|status| status.allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permission_is_printed_as_kubectl_auth_prints_it() {
        let permission =
            Permission { verb: "get", group: "", resource: "pods/log", name: None, namespace: Some("a".into()) };
        assert_eq!(permission.to_string(), "get pods/log in namespace a");
        let group = "rbac.authorization.k8s.io";
        let permission =
            Permission { verb: "bind", group, resource: "clusterroles", name: Some("x".into()), namespace: None };
        assert_eq!(permission.to_string(), "bind clusterroles.rbac.authorization.k8s.io \"x\" in the whole cluster");
    }
}
