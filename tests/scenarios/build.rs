//! What reaches the builder, and what comes back of it.

use std::process::Command;

use crate::support::gateway::ADMIN;
use crate::support::{App, Gateway, run, try_run, world};

const BUILDERS: [&str; 2] = ["buildkit", "classic"];

/// An app whose page is what its build wrote to `/www/index.html`.
fn page_of_steps(steps: &str) -> App {
    let app = App::empty();
    let end = "EXPOSE 8080\nCMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n";
    app.write("Dockerfile", &format!("FROM {}\nRUN mkdir /www\n{steps}\n{end}", world::base_image()));
    app
}

#[test]
fn a_dockerignore_means_what_it_means_to_docker_build() {
    let app = page_of_steps("COPY . /tree\nRUN cd /tree && find . | sort > /www/index.html");
    let patterns = "# a comment\n*.log\n!keep.log\n**/*.tmp\n/docs\nnode_modules/\nsub/[a-c].txt\nsub/?x\n  spaced  \n\
                    deep/**/secret\n!deep/a/secret\n.git*\n**/cache/**\n.dockerignore\n";
    app.write(".dockerignore", patterns);
    for path in [
        "a.log",
        "keep.log",
        "sub/b.log",
        "x.tmp",
        "sub/deep/x.tmp",
        "docs/read.me",
        "sub/docs/read.me",
        "node_modules/m/index.js",
        "sub/node_modules/m.js",
        "sub/a.txt",
        "sub/d.txt",
        "sub/yx",
        "sub/yyx",
        "spaced",
        "deep/secret",
        "deep/a/secret",
        "deep/a/b/secret",
        ".gitignore",
        "sub/.gitkeep",
        "cache/x",
        "sub/cache/y/z",
        "with space/and *star*",
    ] {
        app.write(path, path);
    }
    app.commit("many files");

    let image = world::unique("slipway-test/expected");
    let mut build = Command::new("docker");
    run(build.env("DOCKER_BUILDKIT", "0").args(["build", "-q", "-t", &image]).arg(app.path()));
    let expected = run(Command::new("docker").args(["run", "--rm", &image, "cat", "/www/index.html"])).stdout;
    run(Command::new("docker").args(["image", "rm", &image]));

    let first = Gateway::start();
    for builder in BUILDERS {
        let gateway = first.twin(&[("SLIPWAY_BUILDER", builder)]);
        // each gateway has repositories of its own: the same commit is new to both
        app.push(&gateway).ok();
        app.shows(&expected);
    }
}

#[test]
fn the_commit_is_a_build_argument_where_the_dockerfile_declares_it() {
    for builder in BUILDERS {
        let gateway = Gateway::with(&[("SLIPWAY_BUILDER", builder)]);
        let app = page_of_steps("ARG GIT_REV\nRUN echo -n \"$GIT_REV\" > /www/index.html");
        let head = app.commit("first");
        app.push(&gateway).ok();
        app.shows(&head);
    }
}

#[test]
fn an_image_carries_the_label_of_its_app() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.push(&gateway).ok();
    let ask = |path: &str| {
        let url = format!("http://{}/v2/{}/{path}", world::registry(), app.name);
        let accept = "Accept: application/vnd.docker.distribution.manifest.v2+json";
        let json = run(Command::new("curl").args(["-fsSL", "-H", accept, &url])).stdout;
        serde_json::from_str::<serde_json::Value>(&json).unwrap()
    };
    let manifest = ask("manifests/v1");
    let image = ask(&format!("blobs/{}", manifest["config"]["digest"].as_str().unwrap()));
    assert_eq!(image["config"]["Labels"]["slipway.dev/app"], app.name.as_str());
}

#[test]
fn output_arrives_while_the_build_runs_and_carries_no_control_characters() {
    for builder in BUILDERS {
        let gateway = Gateway::with(&[("SLIPWAY_BUILDER", builder)]);
        let app = App::web("one");
        app.build_step("printf '\\033[31mearly\\033[0m\\007 line\\n' && sleep 5 && echo late''r");
        let push = app.start_push(&gateway, ADMIN, &["main"]);
        push.until("early line");
        assert!(!push.text().contains("later"), "the output came at the end");
        let output = push.finish().ok().says("later");
        assert!(!output.stdout.contains(['\u{1b}', '\u{7}']), "{:?}", output.stdout);
    }
}

#[test]
fn a_build_has_a_time_limit() {
    for builder in BUILDERS {
        let gateway = Gateway::with(&[("SLIPWAY_BUILDER", builder), ("SLIPWAY_BUILD_TIMEOUT", "4s")]);
        let app = App::web("one");
        app.build_step("sleep 600");
        app.push(&gateway).fails().says("longer than 4s");
        assert_eq!(app.releases(), []);
    }
}

#[test]
fn the_image_leaves_the_engine_before_the_rollout() {
    let gateway = Gateway::with(&[("SLIPWAY_REGISTRY_PULL", "localhost:9"), ("SLIPWAY_ROLLOUT_TIMEOUT", "20s")]);
    let app = App::web("one");
    // no pod can pull it, so whatever the Engine still has is what the build has left
    app.push(&gateway).fails();
    let left = run(Command::new("docker").args(["image", "ls", "-q", &format!("*/{}", app.name)])).stdout;
    let tagged =
        run(Command::new("docker").args(["image", "ls", "-q", &format!("{}/{}", world::registry(), app.name)]));
    assert_eq!((left.as_str(), tagged.stdout.as_str()), ("", ""));
}

#[test]
fn the_classic_builder_builds_what_buildkit_builds() {
    let gateway = Gateway::with(&[("SLIPWAY_BUILDER", "classic")]);
    let app = App::web("one");
    app.push(&gateway).ok().says("Step 1/");
    app.shows("one");
    app.build_step("echo two > /www/index.html");
    app.push(&gateway).ok().says("Using cache").says("Released v2");
    app.shows("two\n");
    app.build_step("echo broken >&2; exit 7");
    app.push(&gateway).fails().says("broken").says("7");
    // its cache is its images, so the newest stays in the Engine
    let _ = try_run(Command::new("docker").args(["image", "rm", "-f", &format!("slipway/{}:latest", app.name)]));
}
