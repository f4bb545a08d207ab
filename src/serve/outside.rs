//! What slipway needs outside of itself and of the cluster: the Engine and the registry.

use super::settings::count;
use super::{ServeError, setting};
use crate::build::{Engine, EngineTls};
use crate::config::{BuildArgs, RegistryArgs};
use crate::registry::{Collection, PasswordFile, Passwords, Registry};

pub(super) fn connect_engine(build: &BuildArgs) -> Result<Engine, ServeError> {
    let BuildArgs { engine: url, engine_tls, builder, build_timeout: _, max_builds } = build;
    let mut engine = Engine::connect(url).map_err(|e| setting("--engine")(&e))?;
    if let Some(dir) = engine_tls {
        let tls = EngineTls::read(dir).and_then(|tls| engine.with_tls(tls));
        engine = tls.map_err(|e| setting("--engine-tls")(&e))?;
    }
    if engine.is_exposed() {
        tracing::warn!(
            engine = url,
            "the Engine is on another machine and there is no --engine-tls: whoever is on the way can read what is built, \
             and whoever reaches the Engine can do anything there"
        );
    }
    Ok(engine.with_builder(*builder).with_max_builds(count(*max_builds)))
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
    let mut registry = registry.map_err(|e| setting("--registry-push or --registry-pull")(&e))?;
    if let Some(file) = registry_collect {
        registry = registry.with_collection(Collection::new(file, registry_collect_interval));
    }
    let file = |user: Option<String>, path| user.zip(path).map(|(username, path)| PasswordFile { username, path });
    let push = file(registry_user, registry_password_file);
    let pull = file(registry_pull_user, registry_pull_password_file);
    check_pull_secret(registry_pull_secret, push.is_some(), pull.is_some())?;
    let registry = registry.with_passwords(Passwords { push, pull }).await;
    let registry = registry.map_err(|e| setting("--registry-password-file or --registry-pull-password-file")(&e))?;
    Ok(if registry_pull_secret { registry.with_pull_secret() } else { registry })
}

/// What is said of nodes has to make sense.
fn check_pull_secret(wanted: bool, push: bool, pull: bool) -> Result<(), ServeError> {
    let (flag, reason) = match (wanted, push, pull) {
        (true, false, false) => ("--registry-pull-secret", "there is no password to give: set --registry-user"),
        (false, _, true) => ("--registry-pull-user", "nodes pull as this user only with --registry-pull-secret"),
        _ => return Ok(()),
    };
    Err(ServeError::Setting { flag, reason: reason.to_owned() })
}
