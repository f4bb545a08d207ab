//! `git push` and `git fetch`.

use slipway::domain::Revision;
use slipway::service::{ErrorKind, GitExit, PushResult};

use super::git_door::{Answer, GitDoor};
use super::in_process::{compose, kind, user};
use crate::support::{App, Gateway};

#[tokio::test(flavor = "multi_thread")]
async fn a_push_needs_no_ssh() {
    let gateway = Gateway::prepared(&[]);
    let service = compose(&gateway).await;
    let mut alice = GitDoor::open(&service, user("alice")).await;
    let app = App::web("one");

    let (output, received) = alice.push(&app, &["main"]).await;
    output.ok().prints("remote: -----> Receiving main").prints("Released v1");
    let received = received.unwrap();
    assert_eq!((received.result, received.revision), (PushResult::Deployed, Some(Revision(1))));
    let json = serde_json::to_value(&received).unwrap();
    assert_eq!(json, serde_json::json!({ "app": app.name, "result": "deployed", "revision": 1 }));
    app.shows("one");

    let unchanged = alice.push(&app, &["main"]).await.1.unwrap();
    assert_eq!((unchanged.result, unchanged.git), (PushResult::Unchanged, GitExit::SUCCESS));
    let stored = alice.push(&app, &["main:refs/heads/feature"]).await.1.unwrap();
    assert_eq!((stored.result, stored.revision), (PushResult::Stored, None));

    app.commit_build_step("exit 3");
    let (output, refused) = alice.push(&app, &["main"]).await;
    output.fails().prints("remote:  !     ");
    assert_eq!(refused.unwrap().result, PushResult::Refused);
    assert_ne!(app.remote_ref(&gateway, "main").unwrap(), app.head());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_owner_may_push_to_an_app_and_fetch_from_it() {
    let gateway = Gateway::prepared(&[]);
    let service = compose(&gateway).await;
    let (mut alice, mut bob) =
        (GitDoor::open(&service, user("alice")).await, GitDoor::open(&service, user("bob")).await);
    let app = App::web("one");
    alice.push(&app, &["main"]).await.0.ok();

    let (output, refused) = bob.push(&app, &["main:refs/heads/theirs"]).await;
    output.fails().prints("bob may not push to");
    assert_eq!(kind(refused), ErrorKind::Forbidden);
    for (door, expected) in [(&mut alice, None), (&mut bob, Some(ErrorKind::NotFound))] {
        let url = door.url(&app.name);
        for arguments in [vec!["ls-remote", &url], vec!["archive", "--remote", &url, "--format=tar", "main"]] {
            let (output, answer) = door.git(app.path(), &arguments).await;
            let Answer::Fetch(fetched) = answer else { panic!("not a fetch") };
            assert_eq!(fetched.as_ref().err().map(|error| error.kind()), expected, "{arguments:?}: {output:?}");
            assert_eq!(output.code == Some(0), expected.is_none(), "{arguments:?}: {output:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_owner_of_a_name_does_not_get_the_commits_of_the_last() {
    let gateway = Gateway::prepared(&[]);
    let service = compose(&gateway).await;
    let (mut alice, mut bob) =
        (GitDoor::open(&service, user("alice")).await, GitDoor::open(&service, user("bob")).await);
    let app = App::web("one");
    alice.push(&app, &["main", "main:refs/heads/secret"]).await.0.ok();
    app.delete_namespace();
    bob.push(&app, &["main"]).await.0.ok().prints("Released v1");
    assert_eq!(app.remote_ref(&gateway, "refs/heads/secret"), None);
    assert_eq!(std::fs::read_dir(gateway.path("data/former")).unwrap().count(), 1);
}
