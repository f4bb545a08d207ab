//! Apps without a Dockerfile: their stack is detected, and they are built with a generated Dockerfile.
//!
//! The base images are those that `dev/lib/stack_images.sh` makes from Debian's packages. Packages come from the registries of PyPI
//! and npm, or from the image of `dev/stacks/Dockerfile` that serves some of Debian's packages as other registries do.

use std::path::Path;
use std::process::Command;

use crate::refused_pushes::assert_nothing_stored;
use crate::support::package_registry::PackageRegistry;
use crate::support::process::Output;
use crate::support::{ADMIN, App, Gateway, run, try_run};

const IMAGES: (&str, &str) = ("SLIPWAY_STACK_IMAGES", "*=slipway-dev/stacks");
/// Variables by which this machine's user may have chosen mirrors or a proxy.
const MIRRORS: [&str; 7] = [
    "PIP_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "NPM_CONFIG_REGISTRY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "https_proxy",
];

/// A gateway with local base images, whose builds get this machine's mirrors and further arguments.
fn gateway_with(further: &[&str]) -> Gateway {
    let mirrors = MIRRORS.iter().filter_map(|name| Some(format!("{name}={}", std::env::var(name).ok()?)));
    let args: Vec<String> = mirrors.chain(further.iter().map(|arg| (*arg).to_owned())).collect();
    let args = args.join(",");
    let settings = [IMAGES, ("SLIPWAY_STACK_BUILD_ARGS", args.as_str())];
    Gateway::with(if args.is_empty() { &settings[..1] } else { &settings })
}

/// A repository with the files of an example.
fn app_of_example(name: &str) -> App {
    let app = App::empty();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name).join(".");
    run(Command::new("cp").arg("-r").arg(example).arg(app.path()));
    app.commit("example");
    app
}

#[test]
fn a_python_app_is_built_and_its_dependencies_are_cached() {
    let gateway = gateway_with(&[]);
    let app = app_of_example("python");
    let detected =
        "Detected Python 3.11 (.python-version), installs with pip (requirements.txt), starts with \"gunicorn app:app";
    app.push(&gateway).ok().prints(detected).prints("Building with a generated Dockerfile");
    app.shows("Hello from Python\n");
    app.write("app.py", &std::fs::read_to_string(app.path().join("app.py")).unwrap().replace("Hello", "Goodbye"));
    app.commit("another page");
    let second = app.push(&gateway).ok().does_not_print("Downloading");
    let is_cached = second.stderr.lines().any(|line| line.contains("pip install") && line.contains("(cached)"));
    assert!(is_cached, "{}", second.stderr);
    app.shows("Goodbye from Python\n");
}

#[test]
fn a_node_app_is_built_with_its_locked_dependencies() {
    let gateway = gateway_with(&[]);
    let app = app_of_example("node");
    let detected = "Detected Node.js 18 (engines in package.json), installs with npm (package-lock.json), starts with \"node server.js\"";
    app.push(&gateway).ok().prints(detected);
    app.shows_text("Hello from Node.js, up for");
}

#[test]
fn a_site_with_a_build_is_served_for_every_path() {
    let gateway = gateway_with(&[]);
    let app = app_of_example("vite");
    app.push(&gateway).ok().prints("starts with \"nginx\" (vite in package.json)");
    app.shows_text("<title>Hello</title>");
    assert_eq!(app.status("/a/path/of/the/page"), "200");
    assert!(!app.page().contains("/greeting.js"), "the build replaces the script's name: {}", app.page());
}

#[test]
fn static_files_are_served_without_those_that_are_hidden_or_ignored() {
    for builder in ["buildkit", "classic"] {
        let gateway = Gateway::with(&[IMAGES, ("SLIPWAY_BUILDER", builder)]);
        let app = app_of_example("static-site");
        for hidden in [".env", "node_modules/a.js", ".slipway.Dockerfile"] {
            app.write(hidden, "hidden");
        }
        app.commit("files that no visitor sees");
        app.push(&gateway).ok().prints("Detected static files, starts with \"nginx\" (index.html)");
        app.shows_text("<p>Hello from static files</p>");
        assert_eq!(app.status("/about"), "200");
        for path in ["/missing", "/.env", "/node_modules/a.js", "/.slipway.Dockerfile", "/.slipway-1.Dockerfile"] {
            assert_eq!(app.status(path), "404", "{path} with {builder}");
        }
    }
}

#[test]
fn a_go_app_is_built_with_a_module() {
    let registry = PackageRegistry::start();
    let proxy = format!("GOPROXY={}/go", registry.url());
    let gateway = gateway_with(&[&proxy, "GOSUMDB=off", "GOFLAGS=-mod=mod"]);
    let app = app_of_example("go");
    app.write("go.mod", "module example.com/hello\n\ngo 1.19\n\nrequire github.com/google/uuid v1.3.0\n");
    let main = std::fs::read_to_string(app.path().join("main.go")).unwrap();
    let main = main
        .replace("\"os\"\n", "\"os\"\n\n\t\"github.com/google/uuid\"\n")
        .replace("\"Hello from Go\"", "\"Hello from Go\", uuid.Nil");
    app.write("main.go", &main);
    app.commit("a module");
    app.push(&gateway).ok().prints("Detected Go 1.19 (go.mod)");
    app.shows("Hello from Go 00000000-0000-0000-0000-000000000000\n");
}

#[test]
fn a_ruby_app_is_built_with_its_gems() {
    let registry = PackageRegistry::start();
    let gateway = gateway_with(&[&format!("BUNDLE_MIRROR__ALL={}/gems", registry.url())]);
    let app = app_of_example("ruby");
    // Another Gemfile, so that no layer of an earlier run has the gems.
    let gemfile = std::fs::read_to_string(app.path().join("Gemfile")).unwrap();
    app.write("Gemfile", &format!("{gemfile}# {}\n", app.name));
    app.commit("a Gemfile of its own");
    app.push(&gateway).ok().prints("Detected Ruby 3.1 (.ruby-version), installs with bundler (Gemfile)").prints("rack");
    app.shows("Hello from Ruby\n");
}

#[test]
fn a_php_app_is_built_with_its_packages() {
    let registry = PackageRegistry::start();
    let gateway = gateway_with(&[]);
    let app = app_of_example("php");
    // The name makes the file another one, so that no layer of an earlier run has the package.
    let composer = serde_json::json!({
        "description": app.name,
        "require": {"php": "^8.2", "psr/log": "^1.1"},
        "config": {"platform": {"php": "8.2.0"}, "secure-http": false},
        "repositories": [{"type": "composer", "url": format!("{}/composer", registry.url())}, {"packagist.org": false}],
    });
    app.write("composer.json", &composer.to_string());
    let page =
        "<?php require __DIR__ . '/../vendor/autoload.php';\necho 'Hello from PHP, ', Psr\\Log\\LogLevel::INFO;\n";
    app.write("public/index.php", page);
    app.commit("a package");
    app.push(&gateway)
        .ok()
        .prints("Detected PHP 8.2 (composer.json), installs with composer (composer.json)")
        .prints("psr/log");
    app.shows("Hello from PHP, info");
    assert_eq!(app.status("/a/path/of/the/app"), "200");
}

#[test]
fn a_java_app_is_built_with_its_artifacts() {
    let registry = PackageRegistry::start();
    let gateway = gateway_with(&[]);
    let app = app_of_example("java");
    let pom = std::fs::read_to_string(app.path().join("pom.xml")).unwrap();
    let dependency = "<dependencies><dependency><groupId>org.apache.commons</groupId><artifactId>commons-lang3</artifactId>\
                      <version>3.12.0</version></dependency></dependencies>";
    // Debian's Maven names a version of this plugin that Debian does not have
    let site = "<plugin><artifactId>maven-site-plugin</artifactId><version>3.12.1</version></plugin>";
    let pom = pom.replace("  <build>", &format!("  {dependency}\n  <build>"));
    app.write("pom.xml", &pom.replace("<plugins>", &format!("<plugins>{site}")));
    let mirror = format!("<mirror><id>tests</id><mirrorOf>*</mirrorOf><url>{}/maven</url></mirror>", registry.url());
    app.write(".mvn/settings.xml", &format!("<settings><mirrors>{mirror}</mirrors></settings>"));
    app.write(".mvn/maven.config", "--settings\n.mvn/settings.xml\n");
    app.commit("an artifact");
    app.push(&gateway).ok().prints("Detected Java 17 (pom.xml), installs with maven (pom.xml)");
    app.shows("Hello from Java\n");
}

#[test]
fn a_repository_that_cannot_be_built_is_refused_with_the_reason() {
    let gateway = gateway_with(&[]);
    let refused = |files: &[(&str, &str)], expected: &[&str]| {
        let app = App::empty();
        files.iter().for_each(|(name, text)| app.write(name, text));
        app.commit("first");
        app.push(&gateway).fails().prints_all(expected).does_not_print("Building with");
        assert_nothing_stored(&gateway, &app);
    };
    refused(&[("readme.txt", "x")], &["there is no Dockerfile", "requirements.txt", "package.json", "index.html"]);
    refused(&[("package.json", "{\n  \"a\": }")], &["package.json, line 2, column 8"]);
    refused(&[("package.json", &" ".repeat((1 << 20) + 1))], &["package.json", "1048576 bytes"]);
    refused(&[("requirements.txt", "flask")], &["not how to start it", "web: gunicorn"]);
    refused(&[("main.py", "x"), (".python-version", "new")], &[".python-version", "\"new\" is not a version"]);
}

#[test]
fn a_dry_run_says_what_was_detected() {
    let gateway = gateway_with(&[]);
    let app = app_of_example("static-site");
    app.push_as(&gateway, ADMIN, &["--push-option=dry-run", "main"])
        .fails()
        .prints("Detected static files")
        .prints("dry run");
}

fn dockerfile(arguments: &[&str]) -> Output {
    try_run(Command::new(env!("CARGO_BIN_EXE_slipway")).arg("dockerfile").args(arguments))
}

#[test]
fn the_dockerfile_of_a_directory_is_printed() {
    let example = |name: &str| format!("{}/examples/{name}", env!("CARGO_MANIFEST_DIR"));
    let python = dockerfile(&[&example("python"), "--stack-images", "python=mirror.example/python"]).ok();
    assert!(
        python.stdout.starts_with("# Generated by slipway")
            && python.stdout.contains("FROM mirror.example/python:3.11-slim")
    );
    assert!(python.stderr.starts_with("Detected Python 3.11 (.python-version)"), "{}", python.stderr);
    let own = dockerfile(&[&example("hello")]).ok();
    assert_eq!(own.stdout, std::fs::read_to_string(example("hello/Dockerfile")).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let nothing = dockerfile(&[dir.path().to_str().unwrap()]).prints("there is no Dockerfile").prints("go.mod (Go)");
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(2), ""));
    assert_eq!(dockerfile(&["/nonexistent"]).prints("/nonexistent").code, Some(2));
    assert_eq!(dockerfile(&["--stack-images", "python"]).prints("IMAGE=REPLACEMENT").code, Some(2));
}
