//! Who may ask for what.

use slipway::domain::{AppName, CancelHandle, Progress};
use slipway::service::{
    Caller, DeployFlags, DiffRequest, RedeployRequest, ReleasesRequest, RollbackRequest, Service, ServiceError,
    SetDeployBranchRequest,
};

use super::git_door::GitDoor;
use super::in_process::{admin, app_name, compose, user};
use crate::support::{App, Gateway};

/// Asks for everything that needs the right to read the app or to change it, without waiting for a deploy.
async fn ask_everything(
    service: &Service,
    caller: &Caller,
    app: &AppName,
) -> Vec<(&'static str, Result<(), ServiceError>)> {
    let (progress, _) = Progress::channel();
    let cancelled = CancelHandle::default();
    cancelled.cancel();
    let (flags, of_app) = (DeployFlags::default(), app.clone());
    let releases = ReleasesRequest { app: app.clone(), limit: 10 };
    let diff = DiffRequest { app: app.clone(), from: None, to: None };
    let redeploy = RedeployRequest { app: app.clone(), flags };
    let rollback = RollbackRequest { app: of_app, to: None, flags };
    let deploy_branch = SetDeployBranchRequest { app: app.clone(), branch: "main".parse().unwrap() };
    vec![
        ("list_releases", service.list_releases(caller, &releases).await.map(drop)),
        ("show_release", service.show_release(caller, app, None).await.map(drop)),
        ("diff_revisions", service.diff_revisions(caller, &diff).await.map(drop)),
        ("list_builds", service.list_builds(caller, app).await.map(drop)),
        ("read_build", service.read_build(caller, app, None).await.map(drop)),
        ("diagnose", service.diagnose(caller, Some(app)).await.map(drop)),
        ("deploy_branch", service.deploy_branch(caller, app).await.map(drop)),
        ("set_deploy_branch", service.set_deploy_branch(caller, &deploy_branch).await),
        ("authorize_destroy", service.authorize_destroy(caller, app).await.map(drop)),
        ("redeploy", service.redeploy(caller, &redeploy, &progress, &cancelled).await.map(drop)),
        ("rollback", service.rollback(caller, &rollback, &progress, &cancelled).await.map(drop)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_open_to_its_owner_and_to_admins_and_does_not_exist_for_others() {
    let gateway = Gateway::prepared(&[]);
    let service = compose(&gateway).await;
    let (alice, bob) = (user("alice"), user("bob"));
    let app = App::web("one");
    let mut door = GitDoor::open(&service, alice.clone()).await;
    door.push(&app, &["main"]).await.0.ok();
    app.commit_page("two");
    door.push(&app, &["main"]).await.0.ok();
    let name = app_name(&app.name);

    for caller in [&alice, &admin()] {
        for (what, answer) in ask_everything(&service, caller, &name).await {
            let refusal = answer.err().map(|error| error.to_string());
            // the deploys were cancelled before they began
            let expected = ["redeploy", "rollback"].contains(&what).then_some("cancelled; nothing was deployed");
            assert_eq!(refusal.as_deref(), expected, "{what} as {}", caller.identity.user);
        }
        assert!(service.list_apps(caller).await.unwrap().iter().any(|listed| listed.app == name));
        assert!(service.newest_releases(caller).await.unwrap().iter().any(|newest| newest.app == name));
    }

    let unknown = app_name("no-such-app");
    for (caller, app) in [(&bob, &name), (&bob, &unknown), (&admin(), &unknown)] {
        let user = &caller.identity.user;
        for (what, answer) in ask_everything(&service, caller, app).await {
            let refusal = answer.expect_err(what).to_string();
            assert_eq!(refusal, format!("there is no app {app} that {user} may read"), "{what}");
        }
    }
    assert!(service.list_apps(&bob).await.unwrap().is_empty());
    assert!(service.newest_releases(&bob).await.unwrap().is_empty());
    assert!(service.diagnose(&bob, None).await.unwrap().is_empty());
}
