//! The history limit, and the deletion of images that no revision uses.

use crate::support::helm::helm;
use crate::support::{App, Gateway, assert_history, registry_api};

/// For each digest, whether the registry has the app's image.
fn has_images(app: &App, digests: &[String]) -> Vec<bool> {
    digests.iter().map(|digest| registry_api::has_image(app, digest)).collect()
}

#[test]
fn the_history_is_trimmed_together_with_its_images() {
    let gateway = Gateway::with(&[("SLIPWAY_HISTORY_MAX", "2")]);
    let app = App::empty();
    let mut digests = Vec::new();
    for page in ["one", "two", "three"] {
        app.commit_web(page);
        app.push(&gateway).ok();
        let newest = gateway.run_json(&format!("releases {} --limit 1", app.name));
        digests.push(newest[0]["image"].as_str().unwrap().to_owned());
    }
    // the history is trimmed after the end of `git push`, before the lock is freed
    app.wait_unlocked();
    assert_history(&app, &[("v2", "superseded"), ("v3", "deployed")]);
    assert_eq!(has_images(&app, &digests), [false, true, true]);
    gateway.run_command(&format!("rollback {} v1", app.name)).fails().prints("has no v1");

    // helm's record has no annotations of slipway's, and its image is kept all the same
    helm(&app, &["rollback", &app.name, "2", "--wait"]);
    app.commit_page("four");
    app.push(&gateway).ok().prints("Released v5");
    app.wait_unlocked();
    assert_history(&app, &[("v4", "superseded"), ("v5", "deployed")]);
    assert_eq!(has_images(&app, &digests), [false, true, false]);
    gateway.run_command(&format!("rollback {} v4", app.name)).ok();
    app.shows("two");
}
