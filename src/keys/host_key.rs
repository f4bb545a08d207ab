//! The SSH host key.
//!
//! The private key is in a Secret, so that it survives the pod and the data directory; the public key is in a
//! ConfigMap, as a line for the `known_hosts` files of users.

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
use crate::k8s::with_retries;

const SECRET: &str = "slipway-host-key";
const PRIVATE_KEY_FIELD: &str = "ssh_host_ed25519_key";
const CONFIG_MAP: &str = "slipway-known-hosts";
const KNOWN_HOSTS_FIELD: &str = "known_hosts";

/// Reads the host key, or generates one, and publishes it as a `known_hosts` line for the address that users connect to
/// (`HOST` or `HOST:PORT`).
///
/// # Errors
/// [`KeysError`] if the API server cannot be reached, or the Secret or the address is invalid.
pub async fn ensure_host_key(client: &Client, namespace: &str, public_address: &str) -> Result<PrivateKey, KeysError> {
    let host = known_hosts_name(public_address).ok_or_else(|| KeysError::InvalidAddress(public_address.to_owned()))?;
    let config_maps = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    let published = with_retries("reading the published host key", || config_maps.get_opt(CONFIG_MAP)).await;
    let published = published.map_err(KeysError::from_read)?;
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    let stored = with_retries("reading the host key", || secrets.get_opt(SECRET)).await;
    let key = match stored.map_err(KeysError::from_read)? {
        Some(secret) => read_private_key(&secret)?,
        None => generate(&secrets, published.is_some()).await?,
    };
    publish(&config_maps, published, &known_hosts_line(&host, &key)?).await?;
    Ok(key)
}

/// Generates and stores a key. Returns the key of another gateway if that gateway stored one first.
async fn generate(secrets: &Api<Secret>, was_published: bool) -> Result<PrivateKey, KeysError> {
    let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).map_err(invalid_secret)?;
    let (params, manifest) = (PostParams::default(), secret_manifest(&key)?);
    match with_retries("storing the host key", || secrets.create(&params, &manifest)).await {
        Ok(_) => {}
        Err(error) if error.is_already_exists() => {
            let stored = with_retries("reading the host key", || secrets.get(SECRET)).await;
            return read_private_key(&stored.map_err(KeysError::from_read)?);
        }
        Err(error) => return Err(KeysError::from_write(error)),
    }
    let fingerprint = key.fingerprint(russh::keys::HashAlg::Sha256).to_string();
    if was_published {
        tracing::warn!(
            fingerprint,
            "the host key was lost, and a new one was generated: SSH clients will report a changed host key"
        );
    } else {
        tracing::info!(fingerprint, "a host key was generated");
    }
    Ok(key)
}

fn secret_manifest(key: &PrivateKey) -> Result<Secret, KeysError> {
    let text = key.to_openssh(LineEnding::LF).map_err(invalid_secret)?;
    let data = BTreeMap::from([(PRIVATE_KEY_FIELD.to_owned(), ByteString(text.as_bytes().to_vec()))]);
    Ok(Secret { metadata: metadata(SECRET), data: Some(data), ..Secret::default() })
}

fn read_private_key(secret: &Secret) -> Result<PrivateKey, KeysError> {
    let missing = KeysError::InvalidHostKey { secret: SECRET, field: PRIVATE_KEY_FIELD, source: None };
    let text = secret.data.as_ref().and_then(|data| data.get(PRIVATE_KEY_FIELD)).ok_or(missing)?;
    let key = PrivateKey::from_openssh(&text.0).map_err(invalid_secret)?;
    if key.is_encrypted() || key.algorithm() != Algorithm::Ed25519 {
        return Err(KeysError::InvalidHostKey { secret: SECRET, field: PRIVATE_KEY_FIELD, source: None });
    }
    Ok(key)
}

fn invalid_secret(source: russh::keys::ssh_key::Error) -> KeysError {
    KeysError::InvalidHostKey { secret: SECRET, field: PRIVATE_KEY_FIELD, source: Some(source) }
}

/// Creates the ConfigMap, or updates it if the key or the address has changed.
async fn publish(api: &Api<ConfigMap>, published: Option<ConfigMap>, line: &str) -> Result<(), KeysError> {
    let Some(published) = published else {
        let data = BTreeMap::from([(KNOWN_HOSTS_FIELD.to_owned(), line.to_owned())]);
        let map = ConfigMap { metadata: metadata(CONFIG_MAP), data: Some(data), ..ConfigMap::default() };
        let params = PostParams::default();
        return match with_retries("publishing the host key", || api.create(&params, &map)).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_already_exists() => patch(api, line).await,
            Err(error) => Err(KeysError::from_write(error)),
        };
    };
    let is_current =
        published.data.as_ref().and_then(|data| data.get(KNOWN_HOSTS_FIELD)).is_some_and(|stored| stored == line);
    if is_current { Ok(()) } else { patch(api, line).await }
}

async fn patch(api: &Api<ConfigMap>, line: &str) -> Result<(), KeysError> {
    let (params, patch) = (PatchParams::default(), Patch::Merge(json!({ "data": { KNOWN_HOSTS_FIELD: line } })));
    let patched = with_retries("publishing the host key", || api.patch(CONFIG_MAP, &params, &patch)).await;
    patched.map(drop).map_err(KeysError::from_write)
}

fn metadata(name: &str) -> ObjectMeta {
    let label = ("app.kubernetes.io/managed-by".to_owned(), "slipway".to_owned());
    ObjectMeta { name: Some(name.to_owned()), labels: Some([label].into()), ..ObjectMeta::default() }
}

fn known_hosts_line(host: &str, key: &PrivateKey) -> Result<String, KeysError> {
    let mut public = key.public_key().clone();
    public.set_comment("");
    Ok(format!("{host} {}\n", public.to_openssh().map_err(invalid_secret)?))
}

/// The address in the syntax of `known_hosts`: `HOST`, or `[HOST]:PORT` if the port is not 22. `None` if the address is
/// invalid or a pattern that matches several hosts.
fn known_hosts_name(address: &str) -> Option<String> {
    let (host, port) = split_host_and_port(address)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(allowed) {
        return None;
    }
    let host = host.to_ascii_lowercase();
    Some(if port == 22 { host } else { format!("[{host}]:{port}") })
}

fn split_host_and_port(address: &str) -> Option<(&str, u16)> {
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
    fn addresses_have_the_known_hosts_syntax() {
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
            assert_eq!(known_hosts_name(address).as_deref(), expected, "{address:?}");
        }
    }

    #[test]
    fn a_key_survives_its_secret_and_its_debug_output_is_not_private() {
        let key = PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).unwrap();
        let stored = secret_manifest(&key).unwrap();
        let read = read_private_key(&stored).unwrap();
        assert_eq!(read.public_key().key_data(), key.public_key().key_data());
        let line = known_hosts_line("[h]:2222", &read).unwrap();
        assert!(
            line.starts_with("[h]:2222 ssh-ed25519 AAAA") && line.ends_with('\n') && !line.trim_end().ends_with(' ')
        );
        let private = format!("{:?}", key.key_data().ed25519().unwrap().private.to_bytes());
        assert!(!format!("{read:?}").contains(private.trim_matches(['[', ']'])));
    }

    #[test]
    fn a_secret_without_an_ed25519_key_is_refused() {
        for text in ["", "rubbish", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"] {
            let data = BTreeMap::from([(PRIVATE_KEY_FIELD.to_owned(), ByteString(text.into()))]);
            let error = read_private_key(&Secret { data: Some(data), ..Secret::default() }).unwrap_err();
            assert!(error.to_string().contains(SECRET), "{error}");
        }
        assert!(read_private_key(&Secret::default()).is_err());
    }
}
