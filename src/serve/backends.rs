//! Connects to the Engine and the registry.

use super::convert::clamp_permits;
use super::error::{ServeError, invalid_setting};
use crate::build::{Engine, EngineTls};
use crate::config::{BuildArgs, RegistryArgs};
use crate::registry::{GarbageCollector, PasswordFile, PasswordFiles, Registry};

pub(super) fn connect_engine(build: &BuildArgs) -> Result<Engine, ServeError> {
    let BuildArgs { engine: url, engine_tls, builder, build_timeout: _, max_builds } = build;
    let mut engine = Engine::from_url(url).map_err(|e| invalid_setting("--engine")(&e))?;
    if let Some(dir) = engine_tls {
        let tls = EngineTls::from_dir(dir).and_then(|tls| engine.with_tls(tls));
        engine = tls.map_err(|e| invalid_setting("--engine-tls")(&e))?;
    }
    if engine.is_remote_without_tls() {
        tracing::warn!(
            engine = url,
            "the connection to the Docker Engine has no TLS: the network can read what is built, and every client that reaches \
             the Engine controls its machine. Set --engine-tls"
        );
    }
    Ok(engine.with_builder(*builder).with_max_builds(clamp_permits(*max_builds)))
}

pub(super) async fn connect_registry(args: RegistryArgs) -> Result<Registry, ServeError> {
    let RegistryArgs {
        registry_push,
        registry_pull,
        registry_insecure,
        registry_user,
        registry_password_file,
        registry_pull_secret,
        registry_pull_user,
        registry_pull_password_file,
        registry_collect,
        registry_collect_interval,
    } = args;
    let pull = registry_pull.unwrap_or_else(|| registry_push.clone());
    let registry = Registry::new(&registry_push, &pull, &registry_insecure);
    let mut registry = registry.map_err(|e| invalid_setting("--registry-push or --registry-pull")(&e))?;
    if let Some(file) = registry_collect {
        registry = registry.with_garbage_collector(GarbageCollector::new(file, registry_collect_interval));
    }
    let file = |user: Option<String>, path| user.zip(path).map(|(username, path)| PasswordFile { username, path });
    let push = file(registry_user, registry_password_file);
    let pull = file(registry_pull_user, registry_pull_password_file);
    check_pull_secret(registry_pull_secret, push.is_some(), pull.is_some())?;
    let registry = registry.with_passwords(PasswordFiles { push, pull }).await;
    let registry =
        registry.map_err(|e| invalid_setting("--registry-password-file or --registry-pull-password-file")(&e))?;
    Ok(if registry_pull_secret { registry.with_pull_secret() } else { registry })
}

fn check_pull_secret(enabled: bool, has_push_user: bool, has_pull_user: bool) -> Result<(), ServeError> {
    let (flag, reason) = match (enabled, has_push_user, has_pull_user) {
        (true, false, false) => ("--registry-pull-secret", "no password is set: add --registry-user"),
        (false, _, true) => ("--registry-pull-user", "only used with --registry-pull-secret: add it"),
        _ => return Ok(()),
    };
    Err(ServeError::InvalidSetting { flag, reason: reason.to_owned() })
}
