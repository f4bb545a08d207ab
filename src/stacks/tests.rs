//! Detection and generation over whole repositories.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use regex::Regex;

use super::*;

/// Names and texts of files. A name that ends with `/` is a directory.
type Files<'a> = &'a [(&'a str, &'a str)];

/// The files at the root of an example.
fn example(name: &str) -> RepositoryFiles {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name);
    let names: Vec<String> =
        std::fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let contents: Vec<_> =
        files_to_read(&names).into_iter().map(|name| (name.clone(), std::fs::read(dir.join(&name)).unwrap())).collect();
    RepositoryFiles::new(names, contents)
}

fn repository(files: Files<'_>) -> RepositoryFiles {
    let names = files.iter().map(|(name, _)| name.trim_end_matches('/').to_owned()).collect();
    let contents = files.iter().filter(|(name, _)| !name.ends_with('/'));
    RepositoryFiles::new(names, contents.map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())))
}

fn summary(files: Files<'_>) -> String {
    detect(&repository(files)).unwrap().expect("a stack was found").announcement().join("\n")
}

fn refusal(files: Files<'_>) -> String {
    detect(&repository(files)).expect_err("the files are refused").to_string()
}

/// The announcement and the Dockerfile.
fn generated(files: &RepositoryFiles) -> String {
    let plan = detect(files).unwrap().expect("a stack was found");
    let dockerfile = generate_dockerfile(&plan, &StackSettings::default()).unwrap();
    format!("{}\n\n{dockerfile}", plan.announcement().join("\n"))
}

#[test]
fn an_example_of_each_stack_has_its_dockerfile() {
    for name in ["python", "node", "vite", "static-site", "go", "ruby", "php", "java", "rust", "dotnet", "elixir"] {
        insta::assert_snapshot!(name, generated(&example(name)));
    }
}

#[test]
fn frameworks_and_package_managers_have_their_dockerfiles() {
    let cases: &[(&str, Files<'_>)] = &[
        (
            "django-with-uv",
            &[
                (
                    "pyproject.toml",
                    "[project]\nrequires-python = \">=3.12\"\ndependencies = [\"django\", \"gunicorn\", \"whitenoise\", \"psycopg2\"]",
                ),
                ("uv.lock", ""),
                ("manage.py", "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')"),
            ],
        ),
        (
            "fastapi-with-poetry",
            &[
                ("pyproject.toml", "[tool.poetry.dependencies]\npython = \"^3.11\"\nfastapi = \"*\""),
                ("poetry.lock", ""),
                ("main.py", "from fastapi import FastAPI\napp = FastAPI()\n"),
            ],
        ),
        (
            "next-with-pnpm",
            &[
                (
                    "package.json",
                    r#"{"packageManager": "pnpm@10.4.1", "scripts": {"build": "next build", "start": "next start"}, "dependencies": {"next": "15"}}"#,
                ),
                ("pnpm-lock.yaml", ""),
            ],
        ),
        (
            "rails",
            &[
                ("Gemfile", "gem 'rails'\ngem 'pg'\ngem 'propshaft'"),
                ("Gemfile.lock", "RUBY VERSION\n   ruby 3.3.5p100\n"),
                ("config.ru", ""),
            ],
        ),
        (
            "spring-with-gradle",
            &[
                ("build.gradle.kts", "plugins { id(\"org.springframework.boot\") }\nkotlin { jvmToolchain(21) }"),
                ("gradlew", ""),
            ],
        ),
        ("go-with-commands", &[("go.mod", "module m\ngo 1.24\ntoolchain go1.24.2\n"), ("go.sum", ""), ("cmd/", "")]),
        (
            "php-with-extensions",
            &[
                ("composer.json", r#"{"require": {"php": ">=8.1 <8.4", "ext-intl": "*", "ext-pdo_pgsql": "*"}}"#),
                ("composer.lock", ""),
            ],
        ),
    ];
    for (name, files) in cases {
        insta::assert_snapshot!(*name, generated(&repository(files)));
    }
}

#[test]
fn mirrors_and_build_arguments_are_part_of_the_dockerfile() {
    let images = vec!["*=mirror.example/hub".parse().unwrap(), "python=mirror.example/python".parse().unwrap()];
    let settings = StackSettings::new(images, vec!["PIP_INDEX_URL=https://pypi.example/simple".parse().unwrap()]);
    let dockerfile = |name| generate_dockerfile(&detect(&example(name)).unwrap().unwrap(), &settings).unwrap();
    let python = dockerfile("python");
    assert!(python.contains("\nFROM mirror.example/python:3.11-slim\n"), "{python}");
    assert_eq!(python.matches("\nARG PIP_INDEX_URL\n").count(), 2, "{python}");
    assert!(!python.contains("pypi.example"), "the value is passed to the build: {python}");
    assert!(dockerfile("node").contains("FROM mirror.example/hub/node:18 AS build"));
    assert!(dockerfile("dotnet").contains("FROM mirror.example/hub/dotnet/sdk:8.0 AS build"));
}

#[test]
fn the_push_is_told_the_version_and_the_start_command_with_their_files() {
    let requirements = ("requirements.txt", "flask\ngunicorn\n");
    let procfile = ("Procfile", "worker: celery\nweb: gunicorn app:app\n");
    assert_eq!(
        summary(&[requirements, (".python-version", "3.12\n"), procfile]),
        "Detected Python 3.12 (.python-version), installs with pip (requirements.txt), starts with \"gunicorn app:app\" (Procfile)"
    );
    let cases: &[(Files<'_>, &str)] = &[
        (&[("main.py", "print()")], "Detected Python 3.13 (default), starts with \"python main.py\" (main.py)"),
        (
            &[("package.json", "{\"engines\": {\"node\": \">=18 <21\"}, \"main\": \"a.js\"}"), ("a.js", "")],
            "Node.js 20 (engines in package.json)",
        ),
        (&[("package.json", "{}"), ("index.js", ""), (".nvmrc", "lts/iron")], "Node.js 20 (.nvmrc)"),
        (&[("go.mod", "module m\ngo 1.23.4"), ("main.go", "")], "Go 1.23.4 (go.mod)"),
        (
            &[("Cargo.toml", "[package]\nname = \"web\""), ("rust-toolchain.toml", "[toolchain]\nchannel = \"1.85\"")],
            "Rust 1.85 (rust-toolchain.toml)",
        ),
        (&[("Gemfile", "ruby \"3.3.1\""), ("config.ru", "")], "Ruby 3.3.1 (Gemfile)"),
        (&[("index.php", "")], "Detected PHP 8.4 (default), starts with \"apache2-foreground\" (default)"),
        (&[("pom.xml", "spring-boot"), (".sdkmanrc", "java=17.0.9-tem")], "Java 17 (.sdkmanrc)"),
        (
            &[("pom.xml", "spring-boot"), ("system.properties", "java.runtime.version=1.8")],
            "Java 8 (system.properties)",
        ),
        (&[("A.fsproj", "<TargetFramework>net9.0</TargetFramework>")], ".NET 9.0 (A.fsproj)"),
        (&[("Staticfile", "root: dist\n"), ("dist/", "")], "Detected static files, starts with \"nginx\" (Staticfile)"),
    ];
    for (files, expected) in cases {
        assert!(summary(files).contains(expected), "{}", summary(files));
    }
}

#[test]
fn of_two_stacks_the_first_is_built_and_the_push_says_so() {
    let files = [("Gemfile", ""), ("config.ru", ""), ("package.json", "{}"), ("index.html", "")];
    assert!(summary(&files).ends_with(
        "\nAlso found Node.js (package.json), which is not built: Ruby comes first. To decide otherwise, add a Dockerfile"
    ));
}

#[test]
fn a_repository_without_a_known_file_has_no_stack() {
    assert_eq!(detect(&repository(&[("README.md", "go.mod"), ("src/", ""), ("Procfile", "web: x")])), Ok(None));
    let looked_for = looked_for();
    for stack in Stack::BY_PRECEDENCE {
        assert!(looked_for.contains(&stack.to_string()), "{looked_for}");
    }
}

#[test]
fn bad_input_is_refused_with_the_file_and_what_to_do() {
    let cases: &[(Files<'_>, &[&str])] = &[
        (&[("package.json", "{\n  \"main\": }\n")], &["package.json, line 2, column 11", "\"main\": }"]),
        (&[("pyproject.toml", "[project\n"), ("main.py", "x")], &["pyproject.toml, line 1, column 9"]),
        (
            &[("main.py", "x"), (".python-version", "three")],
            &[".python-version: \"three\" is not a version such as 3.13"],
        ),
        (&[("package.json", r#"{"engines": {"node": "new"}}"#)], &["package.json: \"new\"", "engines"]),
        (
            &[("Cargo.toml", "[package]\nname = \"a\""), ("rust-toolchain", "nightly")],
            &["rust-toolchain", "nightly", "add a Dockerfile"],
        ),
        (
            &[("requirements.txt", "flask")],
            &["Python was detected (requirements.txt)", "main.py", "Procfile", "web: gunicorn"],
        ),
        (&[("package.json", "{}")], &["Node.js was detected", "start", "Procfile", "web: node"]),
        (&[("go.mod", "module m")], &["Go was detected", "Procfile"]),
        (&[("Gemfile", "gem 'x'")], &["Ruby was detected", "config.ru"]),
        (&[("pom.xml", "<project/>")], &["Java was detected (pom.xml)", "Procfile"]),
        (&[("Cargo.toml", "[workspace]\nmembers = []")], &["Rust was detected", "workspace"]),
        (&[("mix.exs", "")], &["Elixir was detected"]),
        (&[("A.csproj", ""), ("B.csproj", "")], &["several projects (A.csproj, B.csproj)", "add a Dockerfile"]),
        (&[("Pipfile", ""), ("app.py", "x")], &["Pipfile without Pipfile.lock", "pipenv lock"]),
        (&[("main.py", "x"), ("Procfile", "worker: y\nweb:\n")], &["Procfile, line 2, column 5", "no command"]),
        (&[("Staticfile", "root: ../..")], &["Staticfile: \"../..\"", "a directory of the repository"]),
    ];
    for (files, expected) in cases {
        let message = refusal(files);
        for text in *expected {
            assert!(message.contains(text), "{message:?} does not contain {text:?}");
        }
    }
}

#[test]
fn a_value_of_the_repository_adds_no_instruction() {
    let injected = "x\"\nRUN touch /injected\n";
    let cases: Vec<Vec<(&str, String)>> = vec![
        vec![("package.json", serde_json::json!({"scripts": {"start": injected}}).to_string())],
        vec![("package.json", serde_json::json!({"main": injected}).to_string()), ("server.js", String::new())],
        vec![("package.json", serde_json::json!({"packageManager": format!("pnpm@9{injected}")}).to_string())],
        vec![("package.json", serde_json::json!({"engines": {"node": injected}}).to_string())],
        vec![("go.mod", format!("go 1.22{injected}")), ("main.go", String::new())],
        vec![("Cargo.toml", format!("[package]\nname = {}", serde_json::json!(injected)))],
        vec![("main.py", "x".to_owned()), ("Procfile", format!("web: python\r main.py {injected}"))],
    ];
    for files in cases {
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        if let Ok(Some(plan)) = detect(&repository(&files)) {
            let dockerfile = generate_dockerfile(&plan, &StackSettings::default()).unwrap();
            assert!(!dockerfile.lines().any(|line| line.starts_with("RUN touch")), "{dockerfile}");
        }
    }
}

/// All names that detection looks for.
fn known_names() -> Vec<String> {
    let markers = Stack::BY_PRECEDENCE.iter().flat_map(|stack| stack.markers());
    let mut names: Vec<String> = markers.map(|marker| marker.replace('*', "My App")).collect();
    let further = [
        "Procfile",
        ".tool-versions",
        ".python-version",
        ".nvmrc",
        ".ruby-version",
        "rust-toolchain",
        "Gemfile.lock",
        "config.ru",
    ];
    names.extend(further.map(str::to_owned));
    names
}

/// Text with the notations that detection reads, and with what would end an instruction.
fn hostile_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("3.12"),
        Just("\n"),
        Just("\""),
        Just("\\"),
        Just("web: "),
        Just("$(x)"),
        Just("'"),
        Just("RUN x"),
        Just("go "),
        Just("[package]\nname = "),
        Just("{\"scripts\": {\"start\": \""),
        Just("\"}}"),
        Just("ruby "),
        Just("<java.version>"),
        Just("app = Flask("),
        Just("app: :a"),
        Just("spring-boot"),
        Just("\r"),
        Just("\u{2028}"),
        Just("{{ x }}"),
        Just("<<EOF"),
    ];
    prop_oneof![any::<String>(), proptest::collection::vec(word, 0..8).prop_map(|words| words.concat())]
}

/// A line as one of the templates has it. Values stand where a base image and the start command are, and nowhere else as they are.
fn has_a_templates_shape(line: &str) -> bool {
    static SHAPE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"^(|#.*|FROM [a-z./-]+:[A-Za-z0-9._-]+( AS (build|composer))?|ENV [A-Z].*|WORKDIR /(app|src)|USER 10001|EXPOSE 8080|ENTRYPOINT \[\]|(COPY|RUN) [^"]*("[^"]*"[^"]*)*|CMD \["/bin/sh", "-c", ".*"\]|    .*)$"#).unwrap()
    });
    SHAPE.is_match(line) && !line.starts_with("RUN x")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_files_give_a_dockerfile_of_the_templates_shape_or_an_error(
        files in proptest::collection::btree_map(proptest::sample::select(known_names()), hostile_text(), 1..5)
    ) {
        let names: Vec<String> = files.keys().cloned().collect();
        let contents = files.into_iter().map(|(name, text)| (name, text.into_bytes()));
        if let Ok(Some(plan)) = detect(&RepositoryFiles::new(names, contents)) {
            let dockerfile = generate_dockerfile(&plan, &StackSettings::default()).unwrap();
            for line in dockerfile.split('\n') {
                prop_assert!(has_a_templates_shape(line), "{line:?} in\n{dockerfile}");
            }
            let commands: Vec<&str> = dockerfile.lines().filter_map(|line| line.strip_prefix("CMD ")).collect();
            prop_assert_eq!(commands.len(), 1);
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(commands[0]).unwrap().len(), 3);
            prop_assert_eq!(plan.announcement().join("\n").lines().count(), plan.announcement().len());
        }
    }
}

#[test]
fn a_generated_dockerfile_needs_no_feature_of_newer_builders() {
    let all: BTreeSet<String> =
        ["python", "node", "vite", "static-site", "go", "ruby", "php", "java", "rust", "dotnet", "elixir"]
            .map(|name| generated(&example(name)))
            .into();
    for text in all {
        for newer in ["# syntax", "--mount", "<<", "--link", "--exclude", "--parents"] {
            assert!(!text.contains(newer), "{newer} in\n{text}");
        }
    }
}
