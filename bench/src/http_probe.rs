//! Requests to an app's Service, until the page has changed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Service;
use kube::{Api, Client};

const PAGE_TIMEOUT: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Timeout of one request. The Service may still route to a pod that has just ended, and a long timeout there would delay
/// the first request to the new pod.
const REQUEST_TIMEOUT: Duration = Duration::from_millis(200);

/// An HTTP client that opens a connection for each request, so that it does not stay with an old pod.
pub struct HttpProbe {
    client: reqwest::Client,
    url: String,
}

impl HttpProbe {
    /// Resolves the address of the app's Service.
    pub async fn for_app(cluster: &Client, app: &str) -> Result<Self> {
        let service =
            Api::<Service>::namespaced(cluster.clone(), app).get(app).await.context("cannot get the Service")?;
        let address = service.spec.and_then(|spec| spec.cluster_ip).context("the Service has no cluster IP")?;
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(REQUEST_TIMEOUT).no_proxy().build();
        Ok(Self { client: client.context("cannot build an HTTP client")?, url: format!("http://{address}/") })
    }

    /// Waits until the app answers with this text, and returns when it first did.
    pub async fn wait_for_text(&self, text: &str) -> Result<Instant> {
        let began = Instant::now();
        while began.elapsed() < PAGE_TIMEOUT {
            // a failed request only means that no pod is ready yet
            if self.get().await.is_ok_and(|page| page.trim() == text) {
                return Ok(Instant::now());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        bail!("{} did not show {text:?} within {PAGE_TIMEOUT:?}", self.url)
    }

    async fn get(&self) -> Result<String> {
        let response = self.client.get(&self.url).send().await?.error_for_status()?;
        Ok(response.text().await?)
    }
}
