//! The host key: what clients recognise this installation by.
//!
//! The private half is in a Secret, so that it survives the pod and the data directory; the public
//! half is in a ConfigMap, as the line that a user puts into `known_hosts`.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};
use serde_json::json;

use super::error::KeysError;

/// The Secret with the private half.
pub const SECRET: &str = "slipway-host-key";
/// Its field.
const PRIVATE: &str = "ssh_host_ed25519_key";
/// The ConfigMap with the public half.
pub const CONFIG_MAP: &str = "slipway-known-hosts";
/// Its field.
const KNOWN_HOSTS: &str = "known_hosts";

/// The host key, made if there is none yet, and published as a line of `known_hosts` for the
/// address that users connect to (`HOST` or `HOST:PORT`).
///
/// # Errors
/// [`KeysError`] if the cluster can't be reached, or if the Secret holds something else.
pub async fn host_key(client: &Client, namespace: &str, public_address: &str) -> Result<PrivateKey, KeysError> {
    let host = known_host(public_address).ok_or_else(|| KeysError::Address(public_address.to_owned()))?;
    let published = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    let before = published.get_opt(CONFIG_MAP).await.map_err(KeysError::reading)?;
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    let key = match secrets.get_opt(SECRET).await.map_err(KeysError::reading)? {
        Some(secret) => private_key(&secret)?,
        None => create(&secrets, before.is_some()).await?,
    };
    publish(&published, before, &known_hosts_line(&host, &key)?).await?;
    Ok(key)
}

/// Makes a key. If another gateway was first, takes that one's.
async fn create(secrets: &Api<Secret>, was_published: bool) -> Result<PrivateKey, KeysError> {
    let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).map_err(unusable)?;
    match secrets.create(&PostParams::default(), &secret(&key)?).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_already_exists() => {
            return private_key(&secrets.get(SECRET).await.map_err(KeysError::reading)?);
        }
        Err(error) => return Err(KeysError::writing(error)),
    }
    let fingerprint = key.fingerprint(russh::keys::HashAlg::Sha256).to_string();
    if was_published {
        tracing::warn!(
            fingerprint,
            "the host key was lost and a new one was made: users will be warned of a changed host key"
        );
    } else {
        tracing::info!(fingerprint, "a host key was made");
    }
    Ok(key)
}

fn secret(key: &PrivateKey) -> Result<Secret, KeysError> {
    let text = key.to_openssh(LineEnding::LF).map_err(unusable)?;
    let data = BTreeMap::from([(PRIVATE.to_owned(), ByteString(text.as_bytes().to_vec()))]);
    Ok(Secret { metadata: metadata(SECRET), data: Some(data), ..Secret::default() })
}

fn private_key(secret: &Secret) -> Result<PrivateKey, KeysError> {
    let missing = KeysError::HostKey { secret: SECRET, field: PRIVATE, source: None };
    let text = secret.data.as_ref().and_then(|data| data.get(PRIVATE)).ok_or(missing)?;
    let key = PrivateKey::from_openssh(&text.0).map_err(unusable)?;
    if key.is_encrypted() || key.algorithm() != Algorithm::Ed25519 {
        return Err(KeysError::HostKey { secret: SECRET, field: PRIVATE, source: None });
    }
    Ok(key)
}

fn unusable(source: russh::keys::ssh_key::Error) -> KeysError {
    KeysError::HostKey { secret: SECRET, field: PRIVATE, source: Some(source) }
}

/// Creates the ConfigMap, or corrects it: the key or the address may have changed.
async fn publish(api: &Api<ConfigMap>, before: Option<ConfigMap>, line: &str) -> Result<(), KeysError> {
    let Some(before) = before else {
        let data = BTreeMap::from([(KNOWN_HOSTS.to_owned(), line.to_owned())]);
        let map = ConfigMap { metadata: metadata(CONFIG_MAP), data: Some(data), ..ConfigMap::default() };
        return match api.create(&PostParams::default(), &map).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.is_already_exists() => patch(api, line).await,
            Err(error) => Err(KeysError::writing(error)),
        };
    };
    let stands = before.data.as_ref().and_then(|data| data.get(KNOWN_HOSTS)).is_some_and(|stored| stored == line);
    if stands { Ok(()) } else { patch(api, line).await }
}

async fn patch(api: &Api<ConfigMap>, line: &str) -> Result<(), KeysError> {
    let patch = Patch::Merge(json!({ "data": { KNOWN_HOSTS: line } }));
    api.patch(CONFIG_MAP, &PatchParams::default(), &patch).await.map(|_| ()).map_err(KeysError::writing)
}

fn metadata(name: &str) -> ObjectMeta {
    let label = ("app.kubernetes.io/managed-by".to_owned(), "slipway".to_owned());
    ObjectMeta { name: Some(name.to_owned()), labels: Some([label].into()), ..ObjectMeta::default() }
}

fn known_hosts_line(host: &str, key: &PrivateKey) -> Result<String, KeysError> {
    let mut public = key.public_key().clone();
    public.set_comment("");
    Ok(format!("{host} {}\n", public.to_openssh().map_err(unusable)?))
}

/// The address as `known_hosts` names it: `HOST`, or `[HOST]:PORT` where the port is not 22.
/// None if it is no address, or would mean more than one host.
fn known_host(address: &str) -> Option<String> {
    let (host, port) = split(address)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(allowed) {
        return None;
    }
    let host = host.to_ascii_lowercase();
    Some(if port == 22 { host } else { format!("[{host}]:{port}") })
}

fn split(address: &str) -> Option<(&str, u16)> {
    let port = |text: &str| text.parse().ok().filter(|port| *port != 0);
    if let Some(rest) = address.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return if rest.is_empty() { Some((host, 22)) } else { Some((host, port(rest.strip_prefix(':')?)?)) };
    }
    match address.rsplit_once(':') {
        Some((host, number)) if !host.contains(':') => Some((host, port(number)?)),
        _ => Some((address, 22)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_ssh_looks_them_up() {
        for (address, expected) in [
            ("git.example.com", Some("git.example.com")),
            ("Git.Example.com:22", Some("git.example.com")),
            ("127.0.0.1:2222", Some("[127.0.0.1]:2222")),
            ("[::1]:2222", Some("[::1]:2222")),
            ("[::1]", Some("::1")),
            ("::1", Some("::1")),
            ("", None),
            (":2222", None),
            ("host:", None),
            ("host:0", None),
            ("host:99999", None),
            ("*", None),
            ("a,b", None),
            ("a b", None),
            ("a\nb", None),
            ("!a", None),
            ("@cert-authority", None),
            ("[::1", None),
        ] {
            assert_eq!(known_host(address).as_deref(), expected, "{address:?}");
        }
    }

    #[test]
    fn a_key_survives_its_secret_and_shows_nothing_private() {
        let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
        let stored = secret(&key).unwrap();
        let read = private_key(&stored).unwrap();
        assert_eq!(read.public_key().key_data(), key.public_key().key_data());
        let line = known_hosts_line("[h]:2222", &read).unwrap();
        assert!(
            line.starts_with("[h]:2222 ssh-ed25519 AAAA") && line.ends_with('\n') && !line.trim_end().ends_with(' ')
        );
        let private = format!("{:?}", key.key_data().ed25519().unwrap().private.to_bytes());
        assert!(!format!("{read:?}").contains(private.trim_matches(['[', ']'])));
    }

    #[test]
    fn a_secret_with_something_else_is_refused() {
        for text in ["", "rubbish", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"] {
            let data = BTreeMap::from([(PRIVATE.to_owned(), ByteString(text.into()))]);
            let error = private_key(&Secret { data: Some(data), ..Secret::default() }).unwrap_err();
            assert!(error.to_string().contains(SECRET), "{error}");
        }
        assert!(private_key(&Secret::default()).is_err());
    }
}
