//! Rollouts that fail, and what comes back.

use crate::support::gateway::ADMIN;
use crate::support::templates::Templates;
use crate::support::{App, Gateway, eventually, run, world};

const CRASH: &str = "CMD [\"sh\", \"-c\", \"echo the last words; exit 3\"]";

#[test]
fn a_first_deploy_that_crashes_is_explained_and_leaves_only_its_namespace() {
    let gateway = Gateway::start();
    let app = App::dockerfile(CRASH);
    app.push(&gateway).fails().says("the last words").says("3");
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), None);
    assert_eq!(app.object("deployment", &app.name), None);
    assert_eq!(app.object("service", &app.name), None);
    assert!(world::object(&["namespace", &app.name]).is_some());
    assert_eq!(app.releases(), [(1, "failed".to_owned())]);

    app.web_files("mended");
    app.commit("mended");
    app.push(&gateway).ok().says("Released v2");
    app.shows("mended");
}

#[test]
fn an_upgrade_that_crashes_is_rolled_back() {
    let gateway = Gateway::start();
    let app = App::web("one");
    let first = app.head();
    app.push(&gateway).ok();
    app.write("Dockerfile", &format!("FROM {}\n{CRASH}\n", world::base_image()));
    app.commit("broken");
    app.push(&gateway).fails().says("the last words").says("v1");
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), Some(first));
    app.shows("one");
    assert_eq!(app.releases(), [(1, "superseded".to_owned()), (2, "failed".to_owned()), (3, "deployed".to_owned())]);

    app.web_files("mended");
    app.commit("mended");
    app.push(&gateway).ok().says("Released v4");
    app.shows("mended");
}

#[test]
fn an_app_that_does_not_listen_fails_at_the_deadline_with_its_probe() {
    let gateway = Gateway::with(&[("SLIPWAY_ROLLOUT_TIMEOUT", "15s")]);
    let app = App::dockerfile("EXPOSE 8080\nCMD [\"sleep\", \"3600\"]");
    app.push(&gateway).fails().says("probe").says("8080");
    assert_eq!(app.object("deployment", &app.name), None);
}

#[test]
fn an_upgrade_that_does_not_listen_is_rolled_back_at_the_deadline() {
    // The controller gives up first, for certain, so that its words still stand when the rollback begins.
    let templates = Templates::copied().replaced("{{ progress_deadline_seconds }}", "10");
    let gateway = Gateway::with(&[templates.setting(), ("SLIPWAY_ROLLOUT_TIMEOUT", "15s")]);
    let app = App::web("one");
    let first = app.head();
    app.push(&gateway).ok();
    app.write("Dockerfile", &format!("FROM {}\nEXPOSE 8080\nCMD [\"sleep\", \"3600\"]\n", world::base_image()));
    app.commit("deaf");
    app.push(&gateway).fails().says("probe").says("v1 serves again (as v3)");
    assert_eq!(app.deployed_ref(&gateway, "refs/heads/main"), Some(first));
    assert_eq!(app.releases(), [(1, "superseded".to_owned()), (2, "failed".to_owned()), (3, "deployed".to_owned())]);
    app.shows("one");
}

#[test]
fn an_app_that_no_node_can_take_fails_at_the_deadline_with_the_reason() {
    let selector = "      nodeSelector: {disk: floppy}\n      containers:\n";
    let templates = Templates::copied().replaced("      containers:\n", selector);
    let gateway = Gateway::with(&[templates.setting(), ("SLIPWAY_ROLLOUT_TIMEOUT", "10s")]);
    let app = App::web("one");
    app.push(&gateway).fails().says("node");
    assert_eq!(app.object("deployment", &app.name), None);
}

#[test]
fn an_image_that_cannot_be_pulled_fails_at_once() {
    // the kubelet's address of the registry is a port where nothing listens
    let gateway = Gateway::with(&[("SLIPWAY_REGISTRY_PULL", "localhost:9"), ("SLIPWAY_ROLLOUT_TIMEOUT", "60s")]);
    let app = App::web("one");
    app.push(&gateway).fails().says("pull").says("localhost:9");
    assert_eq!(app.object("deployment", &app.name), None);
}

#[test]
fn the_kubelet_pulls_from_the_registry_by_digest() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    let deployment = app.object("deployment", &app.name).unwrap();
    let image = deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap();
    let digest = image.strip_prefix(&format!("{}/{}@", world::registry(), app.name)).expect("an image by digest");
    let log = std::fs::read_to_string(world::variable("SLIPWAY_DEV_REGISTRY_LOG")).unwrap();
    let wanted = format!("GET /v2/{}/manifests/{digest}", app.name);
    let pulls: Vec<&str> = log.lines().filter(|line| line.contains(&wanted) && line.contains("docker/")).collect();
    assert!(!pulls.is_empty(), "the registry's log shows no pull of {digest} by the kubelet's engine");
}

#[test]
fn what_goes_live_is_made_as_the_image_asks() {
    let gateway = Gateway::start();
    let app = App::empty();
    app.write(
        "Dockerfile",
        &format!("FROM {}\nCOPY --chown=1000 start /start\nUSER 1000\nCMD [\"/start\"]\n", world::base_image()),
    );
    app.write("start", "#!/bin/sh\nmkdir /tmp/www 2>/dev/null || mkdir -p /dev/shm/www\ncd /dev/shm\necho $GIT_REV > index.html\nexec httpd -f -p $PORT -h /dev/shm\n");
    run(std::process::Command::new("chmod").arg("+x").arg(app.path().join("start")));
    let head = app.commit("first");
    app.push_as(&gateway, ADMIN, &["main"]).ok();
    app.shows(&head);
    let deployment = app.object("deployment", &app.name).unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(container["ports"][0]["containerPort"], 8080);
    let text = pod.to_string();
    for promise in [
        "\"runAsNonRoot\":true",
        "\"drop\":[\"ALL\"]",
        "\"allowPrivilegeEscalation\":false",
        "readinessProbe",
        "livenessProbe",
    ] {
        assert!(text.contains(promise), "{promise} is not in {text}");
    }
    let labels = &deployment["metadata"]["labels"];
    assert_eq!(labels["app.kubernetes.io/name"], app.name.as_str());
    assert_eq!(labels["app.kubernetes.io/managed-by"], "Helm");
}

#[test]
fn the_layers_of_one_push_serve_the_next() {
    let gateway = Gateway::start();
    let app = App::empty();
    app.write(
        "Dockerfile",
        &format!(
            "FROM {}\nRUN cat /proc/sys/kernel/random/uuid > /slow\nCOPY index.html /slow /www/\nEXPOSE 8080\nCMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n",
            world::base_image()
        )
        .replace("COPY index.html /slow /www/", "RUN mkdir -p /www && cp /slow /www/index.html\nCOPY index.html /www/other"),
    );
    app.write("index.html", "one");
    app.commit("first");
    app.push(&gateway).ok();
    let is_uuid = |page: &String| page.trim().len() == 36;
    let first = eventually("the page", || Some(app.page()).filter(is_uuid));
    app.write("index.html", "two");
    app.commit("second");
    app.push(&gateway).ok().says("Released v2");
    // another one if the step before the change ran again
    app.shows(first.trim());
}

/// A Job that runs the app's image once.
const JOB: &str = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {{ app }}\nspec:\n  backoffLimit: 0\n  template:\n    spec:\n      restartPolicy: Never\n      containers:\n        - name: setup\n          image: {{ image }}\n          command: [\"true\"]\n";

#[test]
fn a_job_that_has_ended_is_replaced_since_it_cannot_be_changed() {
    let templates = Templates::copied().with("job.yaml", JOB);
    let gateway = templates.gateway();
    let app = App::web("one");
    app.push(&gateway).ok();
    let job = || app.object("job", &app.name).expect("the Job");
    let image = |job: &serde_json::Value| job["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    eventually("the Job has ended", || (job()["status"]["succeeded"] == 1).then_some(()));
    let first = job();
    app.write("index.html", "two");
    app.commit("second");
    app.push(&gateway).ok().says("Released v2");
    let second = job();
    assert_ne!(first["metadata"]["uid"], second["metadata"]["uid"]);
    assert_ne!(image(&first), image(&second));
    eventually("the Job has ended again", || (job()["status"]["succeeded"] == 1).then_some(()));
}

#[test]
fn what_cannot_be_changed_is_named_before_anything_is() {
    let mut gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    let templates = Templates::copied().replaced("component\": \"web\"", "component\": \"www\"");
    gateway.restart_with(&[templates.setting()]);
    app.write("index.html", "two");
    app.commit("second");
    let refused = app.push(&gateway).fails();
    assert!(refused.contains(&format!("deployment/{}: spec.selector cannot be changed", app.name)), "{refused:?}");
    assert_eq!(app.releases(), [(1, "deployed".to_owned())]);
    app.shows("one");
}
