//! What slipway may do, asked of the API server before anything depends on it.

use futures_util::future::try_join_all;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};

use super::call::{CallError, call};

/// One thing that slipway has to be allowed to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// Such as `create`.
    pub verb: &'static str,
    /// The API group, empty for the core.
    pub group: &'static str,
    /// The resource, with its subresource where it has one: `pods/log`.
    pub resource: &'static str,
    /// The one object that it is about, where it is about one.
    pub name: Option<String>,
    /// The namespace; `None` for the whole cluster.
    pub namespace: Option<String>,
}

impl std::fmt::Display for Right {
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

/// Those of `rights` that slipway does not have.
///
/// # Errors
/// [`CallError`] if the server could not be asked.
pub async fn missing(client: &Client, rights: Vec<Right>) -> Result<Vec<Right>, CallError> {
    let answers = rights.into_iter().map(async |right| {
        let allowed = is_allowed(client, &right).await?;
        Ok::<_, CallError>((right, allowed))
    });
    let answers = try_join_all(answers).await?;
    Ok(answers.into_iter().filter(|(_, allowed)| !allowed).map(|(right, _)| right).collect())
}

/// Whether slipway may do that now.
///
/// # Errors
/// [`CallError`] if the server could not be asked.
pub async fn is_allowed(client: &Client, right: &Right) -> Result<bool, CallError> {
    let (resource, subresource) = right.resource.split_once('/').map_or((right.resource, None), |(r, s)| (r, Some(s)));
    let attributes = ResourceAttributes {
        verb: Some(right.verb.to_owned()),
        group: Some(right.group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource: subresource.map(str::to_owned),
        name: right.name.clone(),
        namespace: right.namespace.clone(),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    let review = SelfSubjectAccessReview { spec, ..Default::default() };
    let (reviews, params): (Api<SelfSubjectAccessReview>, _) = (Api::all(client.clone()), PostParams::default());
    let answer = call("asking for slipway's rights", || reviews.create(&params, &review)).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_named_as_kubectl_auth_names_it() {
        let right = Right { verb: "get", group: "", resource: "pods/log", name: None, namespace: Some("a".into()) };
        assert_eq!(right.to_string(), "get pods/log in namespace a");
        let group = "rbac.authorization.k8s.io";
        let right = Right { verb: "bind", group, resource: "clusterroles", name: Some("x".into()), namespace: None };
        assert_eq!(right.to_string(), "bind clusterroles.rbac.authorization.k8s.io \"x\" in the whole cluster");
    }
}
