//! What an app's Service shows to the world.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Service;
use kube::{Api, Client};

/// How long a page may take to appear.
const LIMIT: Duration = Duration::from_secs(120);
/// How often it is asked for.
const LOOK: Duration = Duration::from_millis(10);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(2);

/// A browser that comes anew each time, so that an old pod does not keep it.
pub struct Page {
    client: reqwest::Client,
    url: String,
}

impl Page {
    /// The page of an app that is there.
    ///
    /// # Errors
    /// If it has no address.
    pub async fn of(cluster: &Client, app: &str) -> Result<Self> {
        let service = Api::<Service>::namespaced(cluster.clone(), app).get(app).await.context("no Service")?;
        let address = service.spec.and_then(|spec| spec.cluster_ip).context("the Service has no address")?;
        let client = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(ANSWER).no_proxy().build();
        Ok(Self { client: client.context("no HTTP client")?, url: format!("http://{address}/") })
    }

    /// When it shows this text for the first time.
    ///
    /// # Errors
    /// If it does not within two minutes.
    pub async fn shows(&self, text: &str) -> Result<Instant> {
        let began = Instant::now();
        while began.elapsed() < LIMIT {
            // no answer is an answer: not yet
            if self.get().await.is_ok_and(|page| page.trim() == text) {
                return Ok(Instant::now());
            }
            tokio::time::sleep(LOOK).await;
        }
        bail!("{} did not show {text:?} within {LIMIT:?}", self.url)
    }

    async fn get(&self) -> Result<String> {
        let answer = self.client.get(&self.url).send().await?.error_for_status()?;
        Ok(answer.text().await?)
    }
}
