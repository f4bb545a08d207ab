//! Builds with BuildKit and with the classic builder.

use std::process::Command;

use crate::support::{App, Gateway, assert_history, base_image, environment, eventually, registry_api, run, try_run};

const BUILDERS: [&str; 2] = ["buildkit", "classic"];

/// An app whose page is the file `/www/index.html` that the build steps write.
fn app_with_built_page(steps: &str) -> App {
    let app = App::empty();
    let dockerfile = include_str!("fixtures/built-page.Dockerfile");
    app.write("Dockerfile", &dockerfile.replace("BASE_IMAGE", base_image()).replace("BUILD_STEPS", steps));
    app
}

#[test]
fn a_dockerignore_excludes_the_files_that_docker_build_excludes() {
    let app = app_with_built_page("COPY . /tree\nRUN cd /tree && find . | sort > /www/index.html");
    app.write(".dockerignore", include_str!("fixtures/dockerignore/patterns"));
    for path in include_str!("fixtures/dockerignore/paths").lines() {
        app.write(path, path);
    }
    app.commit("many files");

    let image = environment::unique_name("slipway-test/expected");
    let mut build = Command::new("docker");
    run(build.env("DOCKER_BUILDKIT", "0").args(["build", "-q", "-t", &image]).arg(app.path()));
    let expected = run(Command::new("docker").args(["run", "--rm", &image, "cat", "/www/index.html"])).stdout;
    run(Command::new("docker").args(["image", "rm", &image]));

    let first = Gateway::start();
    for builder in BUILDERS {
        // a twin has repositories of its own, so that the commit is new to it
        let gateway = first.twin(&[("SLIPWAY_BUILDER", builder)]);
        app.push(&gateway).ok();
        app.shows(&expected);
    }
}

#[test]
fn git_attributes_do_not_change_the_build_context() {
    let gateway = Gateway::start();
    let app = App::web("one $Id$\n");
    let attributes =
        "index.html export-ignore\nDockerfile export-subst text eol=crlf\nindex.html ident text eol=crlf\n";
    app.write(".gitattributes", attributes);
    app.commit("attributes");
    app.push(&gateway).ok();
    app.shows("one $Id$\n");
}

#[test]
fn the_commit_is_a_build_argument_if_the_dockerfile_declares_it() {
    for builder in BUILDERS {
        let gateway = Gateway::with(&[("SLIPWAY_BUILDER", builder)]);
        let app = app_with_built_page("ARG GIT_REV\nRUN echo -n \"$GIT_REV\" > /www/index.html");
        let head = app.commit("first");
        app.push(&gateway).ok();
        app.shows(&head);
    }
}

#[test]
fn an_image_has_the_label_of_its_app() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let manifest = registry_api::get(&app, "manifests/v1");
    let digest = manifest["config"]["digest"].as_str().unwrap();
    let image = registry_api::get(&app, &format!("blobs/{digest}"));
    assert_eq!(image["config"]["Labels"]["slipway.dev/app"], app.name.as_str());
}

#[test]
fn a_build_streams_its_output_without_control_characters() {
    for builder in BUILDERS {
        let gateway = Gateway::with(&[("SLIPWAY_BUILDER", builder)]);
        let app = App::web("one");
        // the pause is longer than the test needs to read the first line
        app.commit_build_step("printf '\\033[31mearly\\033[0m\\007 line\\n' && sleep 5 && echo late''r");
        let push = app.start_push(&gateway);
        push.wait_for_output("early line");
        assert!(!push.output().contains("later"), "the output came at the end");
        let output = push.wait().ok().prints("later");
        assert!(!output.stdout.contains(['\u{1b}', '\u{7}']), "{:?}", output.stdout);
    }
}

#[test]
fn a_build_is_stopped_at_its_timeout() {
    for builder in BUILDERS {
        let gateway = Gateway::with(&[("SLIPWAY_BUILDER", builder), ("SLIPWAY_BUILD_TIMEOUT", "4s")]);
        let app = App::web("one");
        app.commit_build_step("sleep 600");
        app.push(&gateway).fails().prints("longer than 4s");
        assert_history(&app, &[]);
    }
}

#[test]
fn the_image_is_removed_from_the_engine_before_the_rollout() {
    let gateway = Gateway::with(&[("SLIPWAY_REGISTRY_PULL", "localhost:9"), ("SLIPWAY_ROLLOUT_TIMEOUT", "20s")]);
    let app = App::web("one");
    // no node can pull the image, so that an image in the Engine can only come from the build
    app.push(&gateway).fails();
    let list_images = |name: &str| run(Command::new("docker").args(["image", "ls", "-q", name])).stdout;
    assert_eq!(list_images(&format!("*/{}", app.name)), "");
    assert_eq!(list_images(&format!("{}/{}", environment::registry_address(), app.name)), "");
}

#[test]
fn the_classic_builder_builds_caches_and_fails_like_buildkit() {
    let gateway = Gateway::with(&[("SLIPWAY_BUILDER", "classic")]);
    let app = App::web("one");
    app.push(&gateway).ok().prints("Step 1/");
    app.shows("one");
    app.commit_build_step("echo two > /www/index.html");
    app.push(&gateway).ok().prints("Using cache").prints("Released v2");
    app.shows("two\n");
    app.commit_build_step("echo broken >&2; exit 7");
    app.push(&gateway).fails().prints("broken").prints("7");
    // the classic builder's cache is its images, so that the newest one stays in the Engine
    let _ = try_run(Command::new("docker").args(["image", "rm", "-f", &format!("slipway/{}:latest", app.name)]));
}

#[test]
fn a_build_uses_the_cached_layers_of_the_previous_one() {
    let gateway = Gateway::start();
    let app = app_with_built_page("RUN cat /proc/sys/kernel/random/uuid > /www/index.html\nCOPY other /www/");
    app.write("other", "one");
    app.commit("first");
    app.push(&gateway).ok();
    let is_uuid = |page: &String| page.trim().len() == 36;
    let first = eventually("a UUID as the page", || Some(app.page()).filter(is_uuid));
    app.write("other", "two");
    app.commit("second");
    app.push(&gateway).ok().prints("Released v2");
    // the UUID would be another one if the step before the change had run again
    app.shows(first.trim());
}

#[test]
fn a_health_check_of_the_image_is_reported_as_unused() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok().does_not_print("HEALTHCHECK");
    app.edit_dockerfile("CMD [", "HEALTHCHECK CMD true\nCMD [");
    app.commit("health check");
    app.push(&gateway).ok().prints("The image's HEALTHCHECK is not used");
}

#[test]
fn a_command_that_does_not_exist_is_reported_without_the_layers_of_the_runtime() {
    let gateway = Gateway::start();
    let app = App::from_dockerfile("CMD [\"/missing\"]");
    app.push(&gateway).fails().prints("/missing").does_not_print("OCI runtime create failed");
}
