//! A small app with a repository of its own.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::gateway::{Gateway, git};
use super::process::{Output, Running, run, try_run};
use super::{eventually, world};

/// A working copy, and the name under which it is pushed. Its namespace ends with it.
pub struct App {
    pub name: String,
    pub dir: TempDir,
}

impl App {
    /// A web server that answers with its page.
    pub fn web(page: &str) -> Self {
        let app = Self::empty();
        app.web_files(page);
        app.commit("first");
        app
    }

    /// A web server that was pushed when it showed `one`, and pushed again when it showed `two`.
    #[track_caller]
    pub fn upgraded(gateway: &Gateway) -> Self {
        let app = Self::web("one");
        app.push(gateway).ok();
        app.write("index.html", "two");
        app.commit("second");
        app.push(gateway).ok();
        app.shows("two");
        app
    }

    /// Nothing but an empty repository on branch `main`.
    pub fn empty() -> Self {
        let app = Self { name: world::unique("app"), dir: tempfile::tempdir().unwrap() };
        run(git(app.path()).args(["init", "-q", "-b", "main"]));
        app
    }

    /// A Dockerfile that starts from the base image and ends with these lines.
    pub fn dockerfile(lines: &str) -> Self {
        let app = Self::empty();
        app.write("Dockerfile", &format!("FROM {}\n{lines}\n", world::base_image()));
        app.commit("first");
        app
    }

    /// Writes the web server's files.
    pub fn web_files(&self, page: &str) {
        let dockerfile = format!(
            "FROM {}\nCOPY index.html /www/\nEXPOSE 8080\nCMD [\"httpd\", \"-f\", \"-p\", \"8080\", \"-h\", \"/www\"]\n",
            world::base_image()
        );
        self.write("Dockerfile", &dockerfile);
        self.write("index.html", page);
    }

    /// Commits a Dockerfile with one more step. The step is this app's alone: no cache has it.
    pub fn build_step(&self, step: &str) -> String {
        let dockerfile = std::fs::read_to_string(self.path().join("Dockerfile")).unwrap();
        self.write("Dockerfile", &format!("{dockerfile}RUN {step} # {}\n", self.name));
        self.commit(step)
    }

    /// Commits a Dockerfile whose container waits before it listens.
    pub fn slow_start(&self, seconds: u32) -> String {
        let dockerfile = std::fs::read_to_string(self.path().join("Dockerfile")).unwrap();
        let start = format!("CMD [\"sh\", \"-c\", \"sleep {seconds}; exec $0 $@\", ");
        self.write("Dockerfile", &dockerfile.replace("CMD [", &start));
        self.commit("slow to start")
    }

    /// Commits a file `noise` that no compression makes smaller.
    pub fn noise(&self, mebibytes: u64) -> String {
        let random = std::fs::File::open("/dev/urandom").unwrap();
        let mut file = std::fs::File::create(self.path().join("noise")).unwrap();
        std::io::copy(&mut std::io::Read::take(random, mebibytes << 20), &mut file).unwrap();
        // git does not even try to compress what is larger
        self.git(&["config", "core.bigFileThreshold", "1m"]);
        self.commit("noise")
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// `git ARGUMENTS` in the working copy, which must succeed: what it printed.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        run(git(self.path()).args(arguments)).stdout.trim().to_owned()
    }

    /// Commits everything: the commit's id.
    #[track_caller]
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    /// The commit that is checked out.
    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// `git push URL ARGUMENTS` as a user.
    #[track_caller]
    pub fn push_as(&self, gateway: &Gateway, user: &str, arguments: &[&str]) -> Output {
        try_run(&mut self.push_command(gateway, user, arguments))
    }

    /// `git push URL main` as the admin.
    #[track_caller]
    pub fn push(&self, gateway: &Gateway) -> Output {
        self.push_as(gateway, super::gateway::ADMIN, &["main"])
    }

    /// A push that runs while the test goes on.
    pub fn start_push(&self, gateway: &Gateway, user: &str, arguments: &[&str]) -> Running {
        Running::start(&mut self.push_command(gateway, user, arguments))
    }

    fn push_command(&self, gateway: &Gateway, user: &str, arguments: &[&str]) -> Command {
        let mut command = gateway.git(user, self.path());
        let (options, refs): (Vec<&&str>, Vec<&&str>) = arguments.iter().partition(|text| text.starts_with('-'));
        command.arg("push").args(options).arg(gateway.url(&self.name)).args(refs);
        command
    }

    /// `kubectl get KIND NAME` in the app's namespace.
    pub fn object(&self, kind: &str, name: &str) -> Option<serde_json::Value> {
        world::object(&[kind, name, "-n", &self.name])
    }

    /// The gateway that holds the app's deploy lock.
    pub fn lock_holder(&self) -> Option<String> {
        let lease = self.object("lease", "slipway-deploy")?;
        lease["spec"]["holderIdentity"].as_str().filter(|holder| !holder.is_empty()).map(str::to_owned)
    }

    /// Watches who holds the app's deploy lock, a line each: `holder=` and the gateway. To ask again and again would take
    /// longer than what some scenarios measure.
    pub fn watch_lock(&self) -> Running {
        let columns = "jsonpath=holder={.spec.holderIdentity}{\"\\n\"}";
        let lease = ["get", "lease", "slipway-deploy", "-n", &self.name, "--watch", "-o", columns];
        let watch = Running::start(Command::new("kubectl").args(lease));
        watch.until("holder=");
        watch
    }

    /// Puts something into the app's namespace that keeps it from ending.
    pub fn hold_namespace(&self) {
        world::apply(&format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: kept, namespace: {}, finalizers: [example.com/keep]}}\n",
            self.name
        ));
    }

    /// Lets the namespace end.
    pub fn free_namespace(&self) {
        let nothing = r#"{"metadata":{"finalizers":null}}"#;
        world::kubectl(&["patch", "configmap", "kept", "-n", &self.name, "-p", nothing]);
    }

    /// What the app answers through its Service, once it answers anything.
    pub fn page(&self) -> String {
        let service = self.object("service", &self.name).expect("the app's Service");
        let address = service["spec"]["clusterIP"].as_str().unwrap().to_owned();
        eventually("the app answers", || {
            let output =
                try_run(Command::new("curl").args(["-sS", "--fail", "--max-time", "2", &format!("http://{address}/")]));
            (output.code == Some(0)).then_some(output.stdout)
        })
    }

    /// Waits until the app answers with this page: a Service may lead to an old pod for a moment longer, or to whoever
    /// got that pod's address since.
    #[track_caller]
    pub fn shows(&self, page: &str) {
        eventually(&format!("the page {page:?}"), || (self.page().trim() == page.trim()).then_some(()));
    }

    /// What the gateway's repository has at a ref.
    pub fn deployed_ref(&self, gateway: &Gateway, reference: &str) -> Option<String> {
        // it may be removed at any moment, which must not be a working directory's fate
        let repository = format!("--git-dir={}", gateway.repository(&self.name).display());
        let output = try_run(git(self.path()).args([&repository, "rev-parse", "--verify", "-q", reference]));
        (output.code == Some(0)).then(|| output.stdout.trim().to_owned())
    }

    /// The quarantine of a push that the gateway is receiving.
    pub fn incoming(&self, gateway: &Gateway) -> Option<std::path::PathBuf> {
        let objects = std::fs::read_dir(gateway.repository(&self.name).join("objects")).ok()?;
        let mut paths = objects.map_while(Result::ok).map(|entry| entry.path());
        paths.find(|path| path.file_name().unwrap().to_string_lossy().starts_with("tmp_objdir-incoming-"))
    }

    /// Number and status of every release record, the oldest first.
    pub fn releases(&self) -> Vec<(u32, String)> {
        let list = world::object(&["secret", "-n", &self.name, "-l", "owner=helm"]).expect("a list");
        let mut releases: Vec<(u32, String)> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|secret| &secret["metadata"]["labels"])
            .map(|labels| {
                (labels["version"].as_str().unwrap().parse().unwrap(), labels["status"].as_str().unwrap().to_owned())
            })
            .collect();
        releases.sort();
        releases
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _ = Command::new("kubectl")
            .args(["delete", "namespace", &self.name, "--wait=false", "--ignore-not-found"])
            .stdout(std::process::Stdio::null())
            .status();
    }
}
