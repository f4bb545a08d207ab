//! Releases that share a namespace: two of slipway's, and one of helm's beside them.

use slipway::release::lock::LockError;
use slipway::release::{self, ListScope, ReleaseError, RollbackOutcome};
use tokio::task::JoinHandle;

use crate::support::shared_namespace::{SharedNamespace, SharedRelease, digest, process};

/// The releases of a namespace. `web` has the namespace's name, as an app that was pushed, and the name of `dotted`
/// reads like the record of a revision of `web`.
struct Trio {
    namespace: SharedNamespace,
    web: SharedRelease,
    dotted: SharedRelease,
    helms: SharedRelease,
}

impl Trio {
    async fn create() -> Self {
        let namespace = SharedNamespace::create().await;
        let (web, helms) = (namespace.release(&namespace.name), namespace.release("helms"));
        let dotted = namespace.release(&format!("{}.v1", namespace.name));
        Self { namespace, web, dotted, helms }
    }

    /// The three with page "one", each with a ConfigMap of its own.
    async fn deployed() -> Self {
        let trio = Self::create().await;
        let Self { namespace, web, dotted, helms } = &trio;
        let by_helm = in_background(helms, "one", "helms-extra");
        let (in_web, in_dotted) =
            tokio::join!(Box::pin(web.deployed("one", "web-extra")), Box::pin(dotted.deployed("one", "dotted-extra")));
        by_helm.await.unwrap();
        for (release, released) in [(web, in_web), (dotted, in_dotted)] {
            let service = namespace.get("service", &release.object_name()).unwrap();
            let ip = released.service.unwrap().ip.to_string();
            assert_eq!(Some(ip.as_str()), service["spec"]["clusterIP"].as_str());
        }
        trio.show(["one", "one", "one"]);
        trio
    }

    fn show(&self, pages: [&str; 3]) {
        for (release, page) in [&self.web, &self.dotted, &self.helms].into_iter().zip(pages) {
            release.shows(page);
        }
    }

    async fn assert_histories(&self, web: &[&str], dotted: &[&str], helms: &[&str]) {
        for (release, expected) in [(&self.web, web), (&self.dotted, dotted), (&self.helms, helms)] {
            assert_eq!(release.history().await, expected, "{}", release.target);
        }
    }

    fn assert_helm_lists(&self, expected: [&str; 3]) {
        let names = [&self.web, &self.dotted, &self.helms].map(SharedRelease::name);
        let mut expected: Vec<_> = names.iter().zip(expected).map(|(name, row)| format!("{name} {row}")).collect();
        expected.sort();
        assert_eq!(self.namespace.helm_list(), expected);
    }

    /// Which release owns the ConfigMap of each, if the ConfigMap exists.
    fn owners(&self) -> [Option<String>; 3] {
        ["web-extra", "dotted-extra", "helms-extra"].map(|name| self.namespace.owner_of("configmap", name))
    }
}

/// `helm upgrade --install` while this test goes on.
fn in_background(release: &SharedRelease, page: &'static str, more: &'static str) -> JoinHandle<()> {
    let release = release.clone();
    tokio::task::spawn_blocking(move || release.upgrade_with_helm(page, more))
}

#[tokio::test(flavor = "multi_thread")]
async fn releases_of_one_namespace_are_changed_at_once_and_keep_apart() {
    let trio = Trio::deployed().await;
    let Trio { namespace, web, dotted, helms } = &trio;
    trio.assert_helm_lists(["1 deployed", "1 deployed", "1 deployed"]);
    trio.assert_histories(&["v1 deployed"], &["v1 deployed"], &["v1 deployed"]).await;

    // the second revisions lack the ConfigMaps of their own release, and only those are removed
    let by_helm = in_background(helms, "two", "helms-extra");
    tokio::join!(Box::pin(web.deployed("two", "")), Box::pin(dotted.deployed("two", "dotted-extra")));
    by_helm.await.unwrap();
    trio.show(["two", "two", "two"]);
    assert_eq!(trio.owners(), [None, Some(dotted.name()), Some(helms.name())]);
    Box::pin(dotted.deployed("three", "")).await;
    assert_eq!(trio.owners(), [None, None, Some(helms.name())]);
    trio.assert_helm_lists(["2 deployed", "3 deployed", "2 deployed"]);

    tokio::join!(Box::pin(web.roll_back(1)), Box::pin(dotted.roll_back(2)));
    trio.show(["one", "two", "two"]);
    assert_eq!(trio.owners(), [Some(web.name()), Some(dotted.name()), Some(helms.name())]);
    trio.assert_histories(
        &["v1 superseded", "v2 superseded", "v3 deployed"],
        &["v1 superseded", "v2 superseded", "v3 superseded", "v4 deployed"],
        &["v1 superseded", "v2 deployed"],
    )
    .await;
    namespace.helm(&["rollback", &helms.name(), "1", "--wait"]).ok();
    trio.show(["one", "two", "one"]);
    trio.assert_helm_lists(["3 deployed", "4 deployed", "3 deployed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_release_of_a_namespace_has_a_lock_a_history_bound_and_an_end_of_its_own() {
    let trio = Trio::deployed().await;
    let Trio { namespace, web, dotted, helms } = &trio;
    let (in_web, in_dotted) = (web.lock().await, dotted.lock().await);
    for (release, lease) in [(web, "slipway-deploy".to_owned()), (dotted, format!("slipway-deploy-{}", dotted.name()))]
    {
        let held = release.try_lock(&process("another")).await.map(drop);
        assert!(matches!(held, Err(LockError::Held(_))), "{held:?}");
        assert_eq!(namespace.get("lease", &lease).unwrap()["spec"]["holderIdentity"], "gateway");
    }
    in_web.release().await;
    let held = dotted.try_lock(&process("another")).await.map(drop).unwrap_err();
    assert!(held.to_string().contains(&format!("maintenance on {}", dotted.target)), "{held}");
    in_dotted.release().await;

    for page in ["two", "three"] {
        tokio::join!(Box::pin(web.deployed(page, "")), Box::pin(dotted.deployed(page, "")));
    }
    assert_eq!(web.trim_history(1).await, [digest("one"), digest("two")]);
    let three = ["v1 superseded", "v2 superseded", "v3 deployed"];
    trio.assert_histories(&["v3 deployed"], &three, &["v1 deployed"]).await;
    let targets = || [web, dotted, helms].map(|release| release.target.clone());
    for scope in [ListScope::ClusterWide, ListScope::PerNamespace] {
        let newest = release::newest_releases(&namespace.client, targets().to_vec(), scope).await.unwrap();
        let newest: Vec<_> = newest.into_iter().map(|(target, info)| (target, info.revision.0)).collect();
        assert_eq!(newest, targets().into_iter().zip([3, 3, 1]).collect::<Vec<_>>(), "{scope:?}");
    }

    web.uninstall().await;
    assert_eq!(namespace.get("deployment", &web.object_name()), None);
    trio.assert_histories(&[], &three, &["v1 deployed"]).await;
    dotted.shows("three");
    helms.shows("one");
    assert_eq!(Box::pin(web.deployed("again", "")).await.revision.0, 1);
    namespace.helm(&["uninstall", &helms.name(), "--wait"]).ok();
    dotted.uninstall().await;
    web.shows("again");
    trio.assert_histories(&["v1 deployed"], &[], &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_of_another_release_is_neither_taken_over_nor_removed() {
    let trio = Trio::deployed().await;
    let Trio { namespace, web, dotted, helms } = &trio;
    for (foreign, owner) in [("dotted-extra", dotted), ("helms-extra", helms)] {
        let lock = web.lock().await;
        let refused = Box::pin(web.deploy(&lock, "two", &format!("web-extra {foreign}"))).await.unwrap_err();
        lock.release().await;
        let name = &namespace.name;
        let expected =
            format!("configmap/{foreign} already exists in namespace {name} and does not belong to this app");
        assert!(refused.to_string().starts_with(&expected), "{refused}");
        assert_eq!(namespace.owner_of("configmap", foreign), Some(owner.name()));
    }
    // the recorded ConfigMap of `web` was given to helm's release, and stays when `web` no longer has it
    kubectl_annotate(namespace, "web-extra", &helms.name());
    Box::pin(web.deployed("two", "")).await;
    assert_eq!(trio.owners(), [Some(helms.name()), Some(dotted.name()), Some(helms.name())]);
    trio.show(["two", "one", "one"]);
    trio.assert_histories(&["v1 superseded", "v2 deployed"], &["v1 deployed"], &["v1 deployed"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_leaves_an_object_that_another_release_made_meanwhile() {
    let namespace = SharedNamespace::create().await;
    let (web, other) = (namespace.release(&namespace.name), namespace.release("other"));
    Box::pin(web.deployed("one", "shared")).await;
    crate::support::kubectl(&["delete", "configmap", "shared", "-n", &namespace.name]);
    Box::pin(other.deployed("one", "shared")).await;
    let lock = web.lock().await;
    let failed = Box::pin(web.deploy(&lock, "crash", "")).await.unwrap_err();
    lock.release().await;
    assert!(failed.to_string().contains("rolled back to v1 (as v3)"), "{failed}");
    web.shows("one");
    assert_eq!(namespace.owner_of("configmap", "shared"), Some(other.name()));
}

fn kubectl_annotate(namespace: &SharedNamespace, config_map: &str, release: &str) {
    let annotation = format!("meta.helm.sh/release-name={release}");
    let arguments = ["annotate", "--overwrite", "configmap", config_map, &annotation, "-n", &namespace.name];
    crate::support::kubectl(&arguments);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_failure_and_the_recovery_of_a_release_concern_no_other() {
    let trio = Trio::deployed().await;
    let Trio { namespace, web, dotted, helms } = &trio;
    let lock = dotted.lock().await;
    let failed = Box::pin(dotted.deploy(&lock, "crash", "")).await.unwrap_err();
    lock.release().await;
    let outcome = match failed {
        ReleaseError::Failed { outcome, .. } => outcome,
        other => panic!("{other}"),
    };
    assert!(matches!(outcome, RollbackOutcome::RolledBack { .. }), "{outcome}");
    assert_eq!(trio.owners(), [web, dotted, helms].map(|release| Some(release.name())));

    // a gateway that dies in the middle of a deploy
    let interrupted = web.clone();
    let deploy = tokio::spawn(async move {
        let lock = interrupted.lock().await;
        Box::pin(interrupted.deploy(&lock, "never", "web-extra")).await.map(drop)
    });
    let history = || async { web.history().await };
    while history().await != ["v1 deployed", "v2 pending-upgrade"] {
        assert!(!deploy.is_finished(), "the deploy ended before it was interrupted");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    deploy.abort();
    let targets = [web, dotted, helms].map(|release| release.target.clone());
    let interrupted = release::find_interrupted(&namespace.client, targets.to_vec(), &process("gateway")).await;
    assert_eq!(interrupted, std::slice::from_ref(&web.target));
    let recovered = Box::pin(web.recover()).await;
    assert!(matches!(recovered.outcome, RollbackOutcome::RolledBack { .. }), "{}", recovered.outcome);

    trio.show(["one", "one", "one"]);
    let undone = ["v1 superseded", "v2 failed", "v3 deployed"];
    trio.assert_histories(&undone, &undone, &["v1 deployed"]).await;
    trio.assert_helm_lists(["3 deployed", "3 deployed", "1 deployed"]);
}
