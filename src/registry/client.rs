//! Questions to the registry itself.

use std::sync::Arc;
use std::time::Duration;

use oci_distribution::client::{ClientConfig, ClientProtocol};
use oci_distribution::errors::{OciDistributionError, OciEnvelope, OciErrorCode};
use oci_distribution::{Client, Reference, RegistryOperation};

use super::access::{Current, Passwords};
use super::collection::Collection;
use super::error::RegistryError;
use super::reference::Address;
use crate::domain::{AppName, Digest, Revision};

/// How long the registry may take to answer a question.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// No app's repository, and not one that has to be there.
pub(super) const REPOSITORY: &str = "slipway";
const CONNECT: Duration = Duration::from_secs(5);

/// The registry, at two addresses: where the Engine and slipway push to, and where kubelets pull from.
#[derive(Clone)]
pub struct Registry {
    pub(super) push: Address,
    pub(super) pull: Address,
    /// Whether it is spoken to without TLS.
    pub(super) plain: bool,
    pub(super) current: Current,
    pub(super) passwords: Passwords,
    pub(super) pull_secret: bool,
    pub(super) collection: Option<Arc<Collection>>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("push", &self.push).field("pull", &self.pull).finish_non_exhaustive()
    }
}

impl Registry {
    /// The registry at these two addresses. `insecure` lists hosts that are spoken to without TLS;
    /// this machine is one of them anyway.
    ///
    /// # Errors
    /// If an address is none.
    pub fn new(push: &str, pull: &str, insecure: &[String]) -> Result<Self, RegistryError> {
        let (push, pull): (Address, Address) = (push.parse()?, pull.parse()?);
        let plain = push.is_insecure(insecure);
        let current = Current::new(client(&push, plain)?);
        Ok(Self { push, pull, plain, current, passwords: Passwords::default(), pull_secret: false, collection: None })
    }

    pub(super) fn new_client(&self) -> Result<Client, RegistryError> {
        client(&self.push, self.plain)
    }

    /// Has its garbage collected: it is slipway's own, and nobody else pushes to it.
    pub fn with_collection(mut self, collection: Collection) -> Self {
        self.collection = Some(Arc::new(collection));
        self
    }

    /// How its garbage is collected, where slipway sees to that.
    pub fn collection(&self) -> Option<&Arc<Collection>> {
        self.collection.as_ref()
    }

    /// Where kubelets pull from.
    pub fn pull_address(&self) -> &Address {
        &self.pull
    }

    /// Whether the registry answers and works, as far as one can see without writing to it. It is asked
    /// about the app's own repository: credentials may be good for nothing else. That there is no such
    /// repository yet is an answer too.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&self, app: &AppName) -> Result<(), RegistryError> {
        self.answers(&self.push.repository(app)).await
    }

    /// Whether the registry answers and works, apart from any app.
    ///
    /// # Errors
    /// As [`Registry::ping`].
    pub async fn works(&self) -> Result<(), RegistryError> {
        self.answers(&self.push.in_place_of_an_app(REPOSITORY)).await
    }

    /// [`Registry::ping`] about a repository.
    pub(super) async fn answers(&self, repository: &str) -> Result<(), RegistryError> {
        let repository = self.reference(repository, "none");
        let access = self.access();
        let auth = access.auth();
        let token = self.ask(access.client.auth(&repository, &auth, RegistryOperation::Push)).await?;
        match self.ask(access.client.list_tags(&repository, &auth, Some(1), None)).await {
            Ok(_) | Err(RegistryError::Answer(..)) => Ok(()),
            // Who hands out tokens often calls a repository forbidden that is not there; the token
            // shows that the credentials are good.
            Err(RegistryError::Refused(..)) if token.is_some() && access.credentials.is_some() => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The digest of the manifest that a release's tag names.
    pub(super) async fn digest(&self, app: &AppName, revision: Revision) -> Result<Digest, RegistryError> {
        let reference = self.reference(&self.push.repository(app), &revision.to_string());
        let access = self.access();
        let text = self.ask(access.client.fetch_manifest_digest(&reference, &access.auth())).await?;
        self.read_digest(&text)
    }

    /// The digest of the manifest that a tag names, unless it is gone by now.
    pub(super) async fn tag_digest(&self, reference: &Reference) -> Result<Option<Digest>, RegistryError> {
        let access = self.access();
        match self.ask(access.client.fetch_manifest_digest(reference, &access.auth())).await {
            Ok(text) => self.read_digest(&text).map(Some),
            Err(RegistryError::Answer(_, error)) if says_unknown(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read_digest(&self, text: &str) -> Result<Digest, RegistryError> {
        text.parse().map_err(|error: crate::domain::NameError| {
            let source = OciDistributionError::SpecViolationError(error.to_string());
            RegistryError::Answer(self.push.to_string(), source)
        })
    }

    /// Whether the registry has an image of the app.
    ///
    /// # Errors
    /// [`RegistryError`] if it does not say.
    pub async fn has(&self, app: &AppName, digest: &Digest) -> Result<bool, RegistryError> {
        let (host, repository) = (self.push.host().to_owned(), self.push.repository(app));
        let reference = Reference::with_digest(host, repository, digest.to_string());
        Ok(self.tag_digest(&reference).await?.is_some())
    }

    /// Why the registry takes no image, if a small upload shows it. The Engine passes on only a
    /// sentence of what the registry answered.
    pub(super) async fn refusal(&self, app: &AppName) -> Option<RegistryError> {
        let reference = self.reference(&self.push.repository(app), "none");
        let access = self.access();
        access.client.store_auth_if_needed(reference.resolve_registry(), &access.auth()).await;
        let upload = access.client.push_blob(&reference, &b"{}"[..], EMPTY_OBJECT);
        self.ask(upload).await.err()
    }

    pub(super) fn reference(&self, repository: &str, tag: &str) -> Reference {
        Reference::with_tag(self.push.host().to_owned(), repository.to_owned(), tag.to_owned())
    }

    pub(super) async fn ask<T>(
        &self,
        answer: impl Future<Output = Result<T, OciDistributionError>>,
    ) -> Result<T, RegistryError> {
        let unreachable = |_| RegistryError::Unreachable(self.push.to_string(), None);
        let answer = tokio::time::timeout(ANSWER, answer).await.map_err(unreachable)?;
        answer.map_err(|error| explain(&self.push, error))
    }
}

/// A client that knows no credentials.
fn client(address: &Address, plain: bool) -> Result<Client, RegistryError> {
    let exceptions = if plain { vec![address.host().to_owned()] } else { Vec::new() };
    let config = ClientConfig {
        protocol: ClientProtocol::HttpsExcept(exceptions),
        connect_timeout: Some(CONNECT),
        read_timeout: Some(ANSWER),
        ..ClientConfig::default()
    };
    Client::try_from(config).map_err(RegistryError::Client)
}

/// The digest of `{}`: the smallest thing that registries keep anyway, OCI's empty descriptor.
const EMPTY_OBJECT: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// What an answer means.
fn explain(address: &Address, error: OciDistributionError) -> RegistryError {
    use OciDistributionError::{
        AuthenticationFailure, RegistryError as Refusal, RequestError, ServerError, UnauthorizedError,
    };
    let address = address.to_string();
    match error {
        RequestError(_) => RegistryError::Unreachable(address, Some(error)),
        AuthenticationFailure(_) | UnauthorizedError { .. } | ServerError { code: 401 | 403, .. } => {
            RegistryError::Refused(address, error)
        }
        Refusal { ref envelope, .. } if says_denied(envelope) => RegistryError::Refused(address, error),
        ServerError { code: 507, .. } => RegistryError::Full(address, error),
        ServerError { code, ref message, .. } if code >= 500 && says_disk_full(message) => {
            RegistryError::Full(address, error)
        }
        ServerError { code, .. } if code >= 500 => RegistryError::Broken { address, status: code, source: error },
        error => RegistryError::Answer(address, error),
    }
}

pub(super) fn says_unknown(error: &OciDistributionError) -> bool {
    match error {
        OciDistributionError::ImageManifestNotFoundError(_) => true,
        OciDistributionError::ServerError { code, .. } => *code == 404,
        OciDistributionError::RegistryError { envelope, .. } => envelope
            .errors
            .iter()
            .any(|error| matches!(error.code, OciErrorCode::ManifestUnknown | OciErrorCode::NameUnknown)),
        _ => false,
    }
}

fn says_denied(envelope: &OciEnvelope) -> bool {
    envelope.errors.iter().any(|error| matches!(error.code, OciErrorCode::Unauthorized | OciErrorCode::Denied))
}

/// Docker's registry answers a full disk with 500 and the failed system call in the details, as a
/// number: 28 is ENOSPC, 122 EDQUOT.
fn says_disk_full(body: &str) -> bool {
    let Ok(body) = serde_json::from_str::<serde_json::Value>(body) else { return false };
    let errors = body.get("errors").and_then(|errors| errors.as_array()).into_iter().flatten();
    let numbers = errors.filter_map(|error| error.pointer("/detail/Enclosed/Err").and_then(serde_json::Value::as_i64));
    numbers.into_iter().any(|number| matches!(number, 28 | 122))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn a_full_disk_is_recognised_by_the_number_of_its_error() {
        let full = r#"{"errors":[{"code":"UNKNOWN","message":"unknown error",
            "detail":{"DriverName":"filesystem","Enclosed":{"Op":"mkdir","Path":"/x","Err":28}}}]}"#;
        assert!(says_disk_full(full));
        assert!(!says_disk_full(&full.replace("28", "13")));
        assert!(!says_disk_full("gateway timeout"));
    }

    #[test]
    fn answers_become_what_a_pusher_can_act_on() {
        let address: Address = "localhost:5000".parse().unwrap();
        let server =
            |code, message: &str| OciDistributionError::ServerError { code, url: "u".into(), message: message.into() };
        assert!(matches!(explain(&address, server(507, "")), RegistryError::Full(..)));
        assert!(matches!(explain(&address, server(502, "")), RegistryError::Broken { status: 502, .. }));
        assert!(matches!(explain(&address, server(404, "")), RegistryError::Answer(..)));
        assert!(matches!(explain(&address, server(401, "")), RegistryError::Refused(..)));
        assert!(matches!(explain(&address, server(403, "")), RegistryError::Refused(..)));
        let said = |code: &str| OciDistributionError::RegistryError {
            envelope: serde_json::from_str(&format!(r#"{{"errors":[{{"code":"{code}"}}]}}"#)).unwrap(),
            url: "u".into(),
        };
        assert!(matches!(explain(&address, said("DENIED")), RegistryError::Refused(..)));
        assert!(matches!(explain(&address, said("NAME_UNKNOWN")), RegistryError::Answer(..)));
        let refused = explain(&address, OciDistributionError::UnauthorizedError { url: "u".into() });
        assert_eq!(refused.to_string(), "the registry localhost:5000 refuses slipway's credentials");
    }

    #[tokio::test]
    async fn a_registry_that_is_not_there_is_said_to_be_unreachable() {
        let registry = Registry::new("localhost:1", "localhost:1", &[]).unwrap();
        let error = registry.ping(&"myapp".parse().unwrap()).await.unwrap_err();
        assert_eq!(error.to_string(), "the registry localhost:1 cannot be reached");
    }

    /// A registry that answers each request by its path, and what it was asked for.
    async fn registry_that(answers: fn(&str, &str) -> String) -> (Registry, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (asked, host) = (Arc::<Mutex<Vec<String>>>::default(), address.clone());
        let log = asked.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 8192];
                let length = stream.read(&mut request).await.unwrap();
                let text = String::from_utf8_lossy(&request[..length]).into_owned();
                let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
                let answer = answers(&path, &host);
                log.lock().unwrap().push(path);
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        (Registry::new(&format!("{address}/team"), &address, &[]).unwrap(), asked)
    }

    fn answer(status: &str, headers: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    /// Hands out tokens to whoever is known, and hides repositories that do not exist.
    fn hub(path: &str, host: &str) -> String {
        let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{host}/token\",service=\"hub\"\r\n");
        match path {
            _ if path.starts_with("/token") => answer("200 OK", "", r#"{"token":"t"}"#),
            _ => answer("401 Unauthorized", &challenge, ""),
        }
    }

    #[tokio::test]
    async fn the_registry_is_asked_about_the_repository_of_the_app() {
        let (registry, asked) = registry_that(|_, _| answer("404 Not Found", "", "")).await;
        registry.ping(&"myapp".parse().unwrap()).await.unwrap();
        assert_eq!(asked.lock().unwrap().last().unwrap(), "/v2/team/myapp/tags/list?n=1");
    }

    #[tokio::test]
    async fn a_first_push_passes_a_registry_that_hides_what_is_not_there() {
        let app = "myapp".parse().unwrap();
        let (registry, _) = registry_that(hub).await;
        assert!(matches!(registry.ping(&app).await, Err(RegistryError::Refused(..))), "nobody in particular");
        registry.log_in("u", "p");
        registry.ping(&app).await.unwrap();
    }

    #[tokio::test]
    async fn what_the_engine_is_refused_is_judged_by_what_the_registry_says() {
        let (registry, _) = registry_that(hub).await;
        let anonymous = registry.judge(401, "denied", "team/slipway").await;
        assert!(matches!(anonymous, Err(RegistryError::Refused(..))), "{anonymous:?}");
        registry.log_in("u", "p");
        registry.judge(401, "denied", "team/slipway").await.unwrap();
        let broken = registry.judge(500, "no\u{1b} route", "team/slipway").await.unwrap_err().to_string();
        assert!(broken.starts_with("the Docker Engine cannot reach") && !broken.contains('\u{1b}'), "{broken:?}");
    }

    #[tokio::test]
    async fn wrong_credentials_are_refused_before_a_build() {
        let wants_password =
            |_: &str, _: &str| answer("401 Unauthorized", "WWW-Authenticate: Basic realm=\"r\"\r\n", "");
        let (registry, _) = registry_that(wants_password).await;
        registry.log_in("u", "p");
        assert!(matches!(registry.ping(&"myapp".parse().unwrap()).await, Err(RegistryError::Refused(..))));
    }
}
