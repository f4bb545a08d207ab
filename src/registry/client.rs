//! The registry, and requests to it.

use std::sync::Arc;
use std::time::Duration;

use oci_distribution::client::{ClientConfig, ClientProtocol};
use oci_distribution::errors::OciDistributionError;
use oci_distribution::{Client, Reference, RegistryOperation};

use super::credentials::{PasswordFiles, SharedClient};
use super::error::RegistryError;
use super::garbage_collector::GarbageCollector;
use super::reference::Address;
use super::response::{classify_error, is_unknown};
use crate::domain::{AppName, Digest, NameError, Revision};

pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The repository that checks without an app ask for. No app has it, and it need not exist.
pub(super) const PROBE_REPOSITORY: &str = "slipway";
/// A tag for requests that need one but do not use it.
pub(super) const ANY_TAG: &str = "none";
/// The digest of `{}`: OCI's empty descriptor, the smallest blob that registries keep anyway.
const EMPTY_OBJECT: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// The registry, with two addresses: the Engine and slipway push to one, and kubelets pull from the other.
#[derive(Clone)]
pub struct Registry {
    pub(super) push: Address,
    pub(super) pull: Address,
    /// Whether requests go over HTTP without TLS.
    pub(super) plain_http: bool,
    pub(super) shared_client: SharedClient,
    pub(super) password_files: PasswordFiles,
    /// Whether kubelets pull with a Secret that slipway writes.
    pub(super) pull_secret: bool,
    pub(super) garbage_collector: Option<Arc<GarbageCollector>>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("push", &self.push).field("pull", &self.pull).finish_non_exhaustive()
    }
}

impl Registry {
    /// `insecure` lists hosts that are contacted over HTTP without TLS. Loopback addresses always are.
    ///
    /// # Errors
    /// [`RegistryError::InvalidAddress`].
    pub fn new(push: &str, pull: &str, insecure: &[String]) -> Result<Self, RegistryError> {
        let (push, pull): (Address, Address) = (push.parse()?, pull.parse()?);
        let plain_http = push.is_insecure(insecure);
        let shared_client = SharedClient::anonymous(oci_client(&push, plain_http)?);
        let password_files = PasswordFiles::default();
        Ok(Self { push, pull, plain_http, shared_client, password_files, pull_secret: false, garbage_collector: None })
    }

    /// An OCI client that has never used any credentials.
    pub(super) fn new_oci_client(&self) -> Result<Client, RegistryError> {
        oci_client(&self.push, self.plain_http)
    }

    /// Only for a registry that nothing else pushes to.
    pub(crate) fn with_garbage_collector(mut self, collector: GarbageCollector) -> Self {
        self.garbage_collector = Some(Arc::new(collector));
        self
    }

    /// `None` if slipway does not control the registry's garbage collection.
    pub(crate) fn garbage_collector(&self) -> Option<&Arc<GarbageCollector>> {
        self.garbage_collector.as_ref()
    }

    pub(crate) fn pull_address(&self) -> &Address {
        &self.pull
    }

    /// Checks, without writing, that the registry answers and accepts slipway's credentials for the app's repository: they
    /// may be valid for no other. The repository need not exist yet.
    ///
    /// # Errors
    /// [`RegistryError`] if a push would fail.
    pub(crate) async fn check_repository(&self, app: &AppName) -> Result<(), RegistryError> {
        self.probe(&self.push.repository(app)).await
    }

    /// Checks, without an app, that the registry answers and accepts slipway's credentials.
    ///
    /// # Errors
    /// As [`Registry::check_repository`].
    pub(crate) async fn check_health(&self) -> Result<(), RegistryError> {
        self.probe(&self.push.sibling_repository(PROBE_REPOSITORY)).await
    }

    pub(super) async fn probe(&self, repository: &str) -> Result<(), RegistryError> {
        let repository = self.reference(repository, ANY_TAG);
        let client = self.client();
        let auth = client.auth();
        let token = self.request(client.oci.auth(&repository, &auth, RegistryOperation::Push)).await?;
        match self.request(client.oci.list_tags(&repository, &auth, Some(1), None)).await {
            Ok(_) | Err(RegistryError::UnexpectedAnswer(..)) => Ok(()),
            // Registries with a token service often answer "forbidden" for a repository that does not exist. The token
            // shows that the credentials are valid.
            Err(RegistryError::CredentialsRejected(..)) if token.is_some() && client.credentials.push.is_some() => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The digest of the manifest with the revision's tag.
    pub(super) async fn resolve_tag(&self, app: &AppName, revision: Revision) -> Result<Digest, RegistryError> {
        let reference = self.reference(&self.push.repository(app), &revision.to_string());
        let client = self.client();
        let text = self.request(client.oci.fetch_manifest_digest(&reference, &client.auth())).await?;
        self.parse_digest(&text)
    }

    /// The digest of the manifest that `reference` names; `None` if there is no such manifest.
    pub(super) async fn find_digest(&self, reference: &Reference) -> Result<Option<Digest>, RegistryError> {
        let client = self.client();
        match self.request(client.oci.fetch_manifest_digest(reference, &client.auth())).await {
            Ok(text) => self.parse_digest(&text).map(Some),
            Err(RegistryError::UnexpectedAnswer(_, error)) if is_unknown(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn parse_digest(&self, text: &str) -> Result<Digest, RegistryError> {
        text.parse().map_err(|error: NameError| {
            let source = OciDistributionError::SpecViolationError(error.to_string());
            RegistryError::UnexpectedAnswer(self.push.to_string(), source)
        })
    }

    /// Why the registry accepts no image, if a small upload fails as well. The Engine passes on only one sentence of the
    /// registry's answer.
    pub(super) async fn diagnose_upload(&self, app: &AppName) -> Option<RegistryError> {
        let reference = self.reference(&self.push.repository(app), ANY_TAG);
        let client = self.client();
        client.oci.store_auth_if_needed(reference.resolve_registry(), &client.auth()).await;
        let upload = client.oci.push_blob(&reference, &b"{}"[..], EMPTY_OBJECT);
        self.request(upload).await.err()
    }

    pub(super) fn reference(&self, repository: &str, tag: &str) -> Reference {
        Reference::with_tag(self.push.host().to_owned(), repository.to_owned(), tag.to_owned())
    }

    /// Awaits a request of the OCI client, with a timeout, and classifies its error.
    pub(super) async fn request<T>(
        &self,
        response: impl Future<Output = Result<T, OciDistributionError>>,
    ) -> Result<T, RegistryError> {
        let unreachable = |_| RegistryError::Unreachable(self.push.to_string(), None);
        let response = tokio::time::timeout(REQUEST_TIMEOUT, response).await.map_err(unreachable)?;
        response.map_err(|error| classify_error(&self.push, error))
    }
}

fn oci_client(address: &Address, plain_http: bool) -> Result<Client, RegistryError> {
    let plain_http_hosts = if plain_http { vec![address.host().to_owned()] } else { Vec::new() };
    let config = ClientConfig {
        protocol: ClientProtocol::HttpsExcept(plain_http_hosts),
        connect_timeout: Some(CONNECT_TIMEOUT),
        read_timeout: Some(REQUEST_TIMEOUT),
        ..ClientConfig::default()
    };
    Client::try_from(config).map_err(RegistryError::ClientSetup)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::credentials::{AuthenticatedClient, CredentialSet, Credentials};
    use super::*;

    fn set_credentials(registry: &Registry) {
        let push = Some(Credentials { username: "u".to_owned(), password: "p".to_owned() });
        let credentials = CredentialSet { push, pull: None };
        registry.shared_client.replace(AuthenticatedClient { credentials, oci: registry.new_oci_client().unwrap() });
    }

    #[tokio::test]
    async fn a_registry_that_does_not_listen_is_reported_as_unreachable() {
        let registry = Registry::new("localhost:1", "localhost:1", &[]).unwrap();
        let error = registry.check_repository(&"myapp".parse().unwrap()).await.unwrap_err();
        assert_eq!(error.to_string(), "the registry localhost:1 cannot be reached");
    }

    /// A registry that answers each request by its path, and the paths of the requests it received.
    async fn fake_registry(respond: fn(&str, &str) -> String) -> (Registry, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (requested, host) = (Arc::<Mutex<Vec<String>>>::default(), address.clone());
        let log = requested.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 8192];
                let length = stream.read(&mut request).await.unwrap();
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                let response = respond(&path, &host);
                log.lock().unwrap().push(path);
                let _ = stream.write_all(response.as_bytes()).await;
            }
        });
        (Registry::new(&format!("{address}/team"), &address, &[]).unwrap(), requested)
    }

    fn response(status: &str, headers: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    /// Issues a token for every request, and answers "unauthorized" for repositories that do not exist.
    fn hub(path: &str, host: &str) -> String {
        let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"hub\"\r\n");
        match path {
            _ if path.starts_with("/token") => response("200 OK", "", r#"{"token":"t"}"#),
            _ => response("401 Unauthorized", &challenge, ""),
        }
    }

    #[tokio::test]
    async fn the_check_of_an_app_requests_the_repository_of_the_app() {
        let (registry, requested) = fake_registry(|_, _| response("404 Not Found", "", "")).await;
        registry.check_repository(&"myapp".parse().unwrap()).await.unwrap();
        assert_eq!(requested.lock().unwrap().last().unwrap(), "/v2/team/myapp/tags/list?n=1");
    }

    #[tokio::test]
    async fn a_first_push_passes_the_check_of_a_registry_that_hides_missing_repositories() {
        let app = "myapp".parse().unwrap();
        let (registry, _) = fake_registry(hub).await;
        let anonymous = registry.check_repository(&app).await;
        assert!(matches!(anonymous, Err(RegistryError::CredentialsRejected(..))), "{anonymous:?}");
        set_credentials(&registry);
        registry.check_repository(&app).await.unwrap();
    }

    #[tokio::test]
    async fn the_registry_decides_whether_a_status_of_the_engine_means_rejected_credentials() {
        let (registry, _) = fake_registry(hub).await;
        let anonymous = registry.interpret_engine_status(401, "denied", "team/slipway").await;
        assert!(matches!(anonymous, Err(RegistryError::CredentialsRejected(..))), "{anonymous:?}");
        set_credentials(&registry);
        registry.interpret_engine_status(401, "denied", "team/slipway").await.unwrap();
        let failed = registry.interpret_engine_status(500, "no\u{1b} route", "team/slipway").await;
        let failed = failed.unwrap_err().to_string();
        assert!(failed.starts_with("the Docker Engine cannot reach") && !failed.contains('\u{1b}'), "{failed:?}");
    }

    #[tokio::test]
    async fn wrong_credentials_are_rejected_before_a_build() {
        let basic_auth = |_: &str, _: &str| response("401 Unauthorized", "WWW-Authenticate: Basic realm=\"r\"\r\n", "");
        let (registry, _) = fake_registry(basic_auth).await;
        set_credentials(&registry);
        let checked = registry.check_repository(&"myapp".parse().unwrap()).await;
        assert!(matches!(checked, Err(RegistryError::CredentialsRejected(..))), "{checked:?}");
    }
}
