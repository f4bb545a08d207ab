//! Apps that describe themselves: Procfile, app.json and slipway.yaml.

use std::time::Duration;

use crate::support::wait::within;
use crate::support::{ADMIN, App, Gateway, kubectl};

/// A web server on `$PORT`, and a worker.
fn two_processes() -> App {
    let app = App::web("one");
    app.write("Procfile", "web: httpd -f -p $PORT -h /www\nworker: echo work of $SLIPWAY_PROCESS; sleep 3600\n");
    app.commit("with a Procfile");
    app
}

fn pods_of(app: &App, process: &str) -> Vec<serde_json::Value> {
    let selector = format!("app.kubernetes.io/component={process}");
    let pods = kubectl(&["get", "pods", "-n", &app.name, "-l", &selector, "-o", "json"]);
    let pods: serde_json::Value = serde_json::from_str(&pods).unwrap();
    pods["items"].as_array().unwrap().clone()
}

fn env_of(container: &serde_json::Value) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let env = container["env"].as_array().unwrap();
    env.iter().map(|variable| (text(&variable["name"]), text(&variable["value"]))).collect()
}

#[test]
fn the_processes_of_a_procfile_run_in_deployments_of_their_own() {
    let gateway = Gateway::start();
    let app = two_processes();
    let worker = format!("{}-worker", app.name);
    let idle = format!("deployment/{worker} runs no pod: it is scaled to 0");
    app.push(&gateway).ok().prints(&idle);
    app.shows("one");
    assert_eq!(app.get("deployment", &worker).unwrap()["spec"]["replicas"], 0);
    assert_eq!(app.get("service", &worker), None);

    app.write("slipway.yaml", "processes: {worker: {replicas: 2}}");
    app.commit("two workers");
    app.push(&gateway).ok().prints(&format!("deployment/{worker} 2 of 2 ready")).does_not_print(&idle);
    let pods = pods_of(&app, "worker");
    let container = &pods[0]["spec"]["containers"][0];
    assert_eq!(container["args"][2], "echo work of $SLIPWAY_PROCESS; sleep 3600");
    assert_eq!(
        (&container["ports"], &container["readinessProbe"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
    let env = env_of(container);
    for (name, value) in [("SLIPWAY_APP", &*app.name), ("SLIPWAY_PROCESS", "worker"), ("SLIPWAY_REVISION", "v2")] {
        assert!(env.contains(&(name.to_owned(), value.to_owned())), "{name} in {env:?}");
    }
    assert!(app.get("poddisruptionbudget", &worker).is_some());

    // The count belongs to whoever scales the app, until the file's number changes.
    kubectl(&["scale", "deployment", &worker, "-n", &app.name, "--replicas=1"]);
    app.commit_page("two");
    app.push(&gateway).ok();
    let count = || app.get("deployment", &worker).unwrap()["spec"]["replicas"].clone();
    assert_eq!(count(), 1);
    app.write("slipway.yaml", "processes: {worker: {replicas: 3}}");
    app.commit("three workers");
    app.push(&gateway).ok().prints("3 of 3 ready");
    assert_eq!(count(), 3);

    // A process that the files no longer have is removed.
    app.write("Procfile", "web: httpd -f -p $PORT -h /www\n");
    app.write("slipway.yaml", "");
    app.commit("no workers");
    app.push(&gateway).ok().prints(&format!("deployment/{worker} removed"));
    app.shows("two");
}

#[test]
fn an_app_without_web_has_no_service() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.write("Procfile", "worker: sleep 3600\n");
    app.write("app.json", r#"{"formation": {"worker": {"quantity": 1}}}"#);
    app.commit("a worker");
    app.push(&gateway).ok().prints("Released v1").does_not_print("http://");
    assert_eq!(app.get("service", &app.name), None);
    assert_eq!(pods_of(&app, "worker").len(), 1);
}

#[test]
fn settings_of_slipway_yaml_reach_the_container() {
    let gateway = Gateway::start();
    let app = App::from_dockerfile(
        "CMD [\"sh\", \"-c\", \"mkdir /page; echo $GREETING > /page/index.html; exec httpd -f -p $PORT -h /page\"]",
    );
    let greeting = "it's \"here\": {{ now }} é";
    let yaml = serde_json::json!({"port": 9000, "env": {"GREETING": greeting}, "health": {"path": "/index.html"},
        "resources": {"limits": {"memory": "128Mi"}}, "processes": {"web": {"gracePeriod": 5, "rollout": {"settle": 1}}}});
    app.write("slipway.yaml", &yaml.to_string());
    app.commit("with settings");
    app.push(&gateway).ok();
    app.shows(greeting);
    let spec = app.deployment()["spec"].clone();
    let container = &spec["template"]["spec"]["containers"][0];
    assert_eq!(container["ports"][0]["containerPort"], 9000);
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/index.html");
    assert_eq!(container["resources"]["limits"]["memory"], "128Mi");
    assert_eq!(spec["minReadySeconds"], 1);
}

#[test]
fn everything_that_is_wrong_with_the_files_is_listed_before_the_build() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.write("Procfile", "web: ./server\nWorker: ./worker\n");
    app.write("app.json", "{\"cron\": [{\"command\": \"x\", \"schedule\": \"always\"}]}");
    app.write("slipway.yaml", "prot: 80\nprocesses:\n  web: {replicas: -1}\n");
    app.commit("broken");
    app.push(&gateway)
        .fails()
        .prints_all(&[
            "the app's files have errors",
            "Procfile:2:1: invalid name \"Worker\"",
            "2 | Worker: ./worker",
            "app.json:1:40: cron.task-1.schedule: \"always\" is no cron line",
            "slipway.yaml:1:1: unknown key prot: did you mean port?",
            "slipway.yaml:3:19: processes.web.replicas: \"-1\" is not a number of pods (0 to 1000)",
        ])
        .does_not_print("Building");
    assert_eq!(app.remote_ref(&gateway, "refs/heads/main"), None);
}

#[test]
fn a_file_that_links_out_of_the_repository_is_refused() {
    let gateway = Gateway::start();
    let app = App::web("one");
    std::os::unix::fs::symlink("/etc/passwd", app.path().join("slipway.yaml")).unwrap();
    app.commit("a link");
    app.push(&gateway)
        .fails()
        .prints("slipway.yaml is a link out of the repository, to nothing or to itself")
        .does_not_print("Building");
}

#[test]
fn a_cron_task_becomes_a_cron_job_and_a_range_an_autoscaler() {
    let gateway = Gateway::start();
    let app = App::web("one");
    let yaml = "processes:\n  web: {autoscale: {min: 1, max: 3, cpu: 70}}\n\
                cron:\n  minutely: {schedule: \"* * * * *\", command: echo $SLIPWAY_APP, concurrency: forbid}\n";
    app.write("slipway.yaml", yaml);
    app.commit("cron");
    app.push(&gateway).ok();
    let name = format!("{}-minutely", app.name);
    let job = app.get("cronjob", &name).unwrap();
    assert_eq!((&job["spec"]["schedule"], &job["spec"]["concurrencyPolicy"]), (&"* * * * *".into(), &"Forbid".into()));
    let autoscaler = app.get("horizontalpodautoscaler", &app.name).unwrap();
    assert_eq!(autoscaler["spec"]["maxReplicas"], 3);
    let succeeded = || {
        let pods = pods_of(&app, "cron.minutely");
        pods.into_iter().find(|pod| pod["status"]["phase"] == "Succeeded")
    };
    within(Duration::from_secs(150), "the task has run", || succeeded().map(drop), String::new);
    let pod = succeeded().unwrap()["metadata"]["name"].as_str().unwrap().to_owned();
    assert_eq!(kubectl(&["logs", &pod, "-n", &app.name]).trim(), app.name);
}

#[test]
fn shell_syntax_needs_a_shell_in_the_image() {
    let gateway = Gateway::start();
    let app = App::from_scratch("one");
    app.write("Procfile", "web: /busybox httpd -f -p 8080 -h /www\nworker: /busybox sleep 3600 && echo done\n");
    app.commit("shell syntax");
    app.push(&gateway)
        .fails()
        .prints_all(&["the command of the process worker needs a shell", "the image has no /bin/sh"]);
    app.write("Procfile", "web: /busybox httpd -f -p 8080 -h /www\nworker: /busybox sleep 3600\n");
    app.commit("no shell syntax");
    app.push(&gateway).ok();
    app.shows("one");
    assert_eq!(gateway_containers(&app), "", "no container is left behind");
}

/// The containers that were made to look into the app's images.
fn gateway_containers(app: &App) -> String {
    let image = format!("ancestor=slipway/{}", app.name);
    let mut docker = std::process::Command::new("docker");
    crate::support::run(docker.args(["ps", "-a", "-q", "--filter", &image, "--filter", "name=slipway-shell-"])).stdout
}

#[test]
fn a_monorepo_names_its_dockerfile_context_stage_and_arguments() {
    let gateway = Gateway::start();
    let app = App::empty();
    let dockerfile = "COPY shared.txt /www/shared.txt\nFROM start AS first\nRUN echo $PAGE > /www/index.html\n\
                      EXPOSE 8080\nCMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\nFROM start AS last\nRUN exit 1\n";
    let dockerfile = dockerfile.replace("ARG PAGE=none\n", "").replace("RUN echo", "ARG PAGE=none\nRUN echo");
    let base = crate::support::base_image();
    app.write("deploy/api.Dockerfile", &format!("FROM {base} AS start\n{dockerfile}"));
    app.write("services/api/shared.txt", "shared");
    app.write("services/other.txt", "other");
    let build =
        "dockerfile: deploy/api.Dockerfile, context: services/api, target: first, args: {PAGE: from an argument}";
    app.write("slipway.yaml", &format!("build: {{{build}}}\n"));
    app.commit("a monorepo");
    app.push(&gateway).ok().prints("Building with deploy/api.Dockerfile");
    app.shows("from an argument");

    // The Dockerfile inside of the context.
    app.git(&["mv", "deploy/api.Dockerfile", "services/api/Dockerfile"]);
    app.write("slipway.yaml", "build: {context: services/api, target: first, args: {PAGE: inside}}\n");
    app.commit("inside");
    app.push(&gateway).ok().prints("Building with Dockerfile");
    app.shows("inside");

    for (build, message) in [
        ("context: nowhere", "build.context in slipway.yaml: there is no directory \"nowhere\""),
        ("dockerfile: nothing", "build.dockerfile in slipway.yaml: there is no file \"nothing\""),
        (
            "context: services, dockerfile: services/no",
            "build.dockerfile in slipway.yaml: there is no file \"services/no\"",
        ),
        ("context: ../services", "is not a path inside of the repository"),
        ("context: --output=x", "is not a path inside of the repository"),
    ] {
        app.write("slipway.yaml", &format!("build: {{{build}}}\n"));
        app.commit(build);
        app.push(&gateway).fails().prints(message).does_not_print("Building");
    }
}

#[test]
fn variables_come_from_secrets_and_config_maps_of_the_namespace() {
    let gateway = Gateway::start();
    let app = App::deployed(&gateway);
    let literal = |pair: &str| format!("--from-literal={pair}");
    kubectl(&["create", "secret", "generic", "database", "-n", &app.name, &literal("url=postgres://db")]);
    kubectl(&["create", "configmap", "features", "-n", &app.name, &literal("BETA=on")]);
    app.commit_dockerfile(
        "EXPOSE 8080\nCMD [\"sh\", \"-c\", \"mkdir /p; echo $URL $BETA > /p/index.html; exec httpd -f -p 8080 -h /p\"]",
    );
    app.write("slipway.yaml", "env: {URL: {secret: database, key: url}}\nenvFrom: [{configMap: features}]\n");
    app.commit("variables");
    app.push(&gateway).ok();
    app.shows("postgres://db on");
    let record = gateway.run_command(&format!("releases:show {}", app.name)).ok();
    record.prints("secretKeyRef").does_not_print("postgres://db");
    let spec = gateway.run_command(&format!("spec {}", app.name)).ok();
    spec.prints_all(&["secret: database", "# slipway.yaml:1", "features"]);
}

#[test]
fn a_generated_secret_stays_the_same() {
    let gateway = Gateway::start();
    let app = App::from_dockerfile(
        "EXPOSE 8080\nCMD [\"sh\", \"-c\", \"mkdir /p; echo $KEY > /p/index.html; exec httpd -f -p 8080 -h /p\"]",
    );
    app.write("app.json", r#"{"env": {"KEY": {"description": "signs cookies", "generator": "secret"}}}"#);
    app.commit("a generated secret");
    app.push(&gateway).ok().prints("Generated KEY");
    let key = app.page().trim().to_owned();
    assert_eq!(key.len(), 64, "{key}");
    gateway.run_command(&format!("releases:show {}", app.name)).ok().does_not_print(&key);
    app.commit("again");
    app.push(&gateway).ok().does_not_print("Generated");
    app.shows(&key);
    gateway.run_command(&format!("rollback {} v1", app.name)).ok();
    app.shows(&key);
}

#[test]
fn an_app_keeps_the_environment_that_a_push_gives_it() {
    let gateway = Gateway::start();
    let command = "mkdir /p; echo $AUDIENCE > /p/index.html; exec httpd -f -p 8080 -h /p";
    let app = App::from_dockerfile(&format!("EXPOSE 8080\nCMD [\"sh\", \"-c\", \"{command}\"]"));
    app.write("slipway.yaml", "env: {AUDIENCE: everyone}\n");
    app.write("slipway.staging.yaml", "env: {AUDIENCE: testers}\n");
    app.commit("two environments");
    let push = |option: &str| app.push_as(&gateway, ADMIN, &[&format!("--push-option={option}"), "main"]);
    push("env=stagin").fails().prints("the repository has no slipway.stagin.yaml").does_not_print("Building");
    push("env=../x").fails().prints("invalid environment \"../x\"");
    push("env=staging").ok();
    app.shows("testers");
    app.commit("no option");
    app.push(&gateway).ok();
    app.shows("testers");
    gateway.run_command(&format!("redeploy {}", app.name)).ok();
    app.shows("testers");
    gateway.run_command(&format!("spec {}", app.name)).ok().prints("# slipway.staging.yaml:1");
    app.commit("none again");
    push("env=").ok();
    app.shows("everyone");
}

#[test]
fn a_refused_push_and_a_removed_number_leave_the_count_as_it_is() {
    let gateway = Gateway::start();
    let app = two_processes();
    app.push(&gateway).ok();
    let worker = format!("{}-worker", app.name);
    let count = |deployment: &str| app.get("deployment", deployment).unwrap()["spec"]["replicas"].clone();
    kubectl(&["scale", "deployment", &worker, "-n", &app.name, "--replicas=1"]);
    app.scale(2);
    app.write("slipway.yaml", "replicas: 3\nprocesses: {worker: {replicas: 2}}\n");
    let procfile = std::fs::read_to_string(app.path().join("Procfile")).unwrap();
    app.write("Procfile", "web: echo broken; exit 127\nworker: sleep 3600\n");
    app.commit("numbers, and a crash");
    app.push(&gateway).fails().prints("rolled back to v1");
    assert_eq!((count(&app.name), count(&worker)), (2.into(), 1.into()), "the undo restores the counts");

    app.write("Procfile", &procfile);
    app.commit("numbers");
    app.push(&gateway).ok();
    assert_eq!((count(&app.name), count(&worker)), (3.into(), 2.into()));
    app.write("slipway.yaml", "");
    app.commit("no numbers");
    app.push(&gateway).ok();
    assert_eq!((count(&app.name), count(&worker)), (3.into(), 2.into()));

    kubectl(&["scale", "deployment", &worker, "-n", &app.name, "--replicas=0"]);
    app.write("slipway.yaml", "processes: {worker: {autoscale: {min: 2, max: 3}}}\n");
    app.commit("autoscaled");
    app.push(&gateway).ok();
    assert_eq!(count(&worker), 2, "an autoscaler does not act on a scale of 0");
}

#[test]
fn a_refused_push_does_not_change_the_environment() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.write("slipway.staging.yaml", "env: {A: staging}\n");
    app.write("slipway.prod.yaml", "release: exit 3\n");
    app.commit("environments");
    let push = |option: &str| app.push_as(&gateway, ADMIN, &[&format!("--push-option={option}"), "main"]);
    push("env=staging").ok();
    app.commit_page("two");
    push("env=prod").fails();
    gateway.run_command(&format!("spec {}", app.name)).ok().prints("# slipway.staging.yaml:1");
}

#[test]
fn a_file_with_another_name_is_not_ignored_silently() {
    let gateway = Gateway::start();
    let app = App::web("one");
    app.write("slipway.yml", "port: 80\n");
    app.commit("another name");
    app.push(&gateway).fails().prints("slipway.yml is not read: rename it to slipway.yaml").does_not_print("Building");
}
