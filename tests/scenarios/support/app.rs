//! A small app in a git repository of its own, and pushing it.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::background::BackgroundCommand;
use super::base_image::busybox_path;
use super::client::git;
use super::gateway::{ADMIN, Gateway};
use super::process::{Output, run, try_run};
use super::{base_image, environment, kubectl};

/// A working copy, and the app's name. Its namespace is deleted when the value is dropped.
pub struct App {
    pub name: String,
    pub dir: TempDir,
}

impl App {
    /// An empty repository on branch `main`.
    pub fn empty() -> Self {
        let app = Self { name: environment::unique_name("app"), dir: tempfile::tempdir().unwrap() };
        run(git(app.path()).args(["init", "-q", "-b", "main"]));
        app
    }

    /// A web server that serves the page, committed.
    pub fn web(page: &str) -> Self {
        let app = Self::empty();
        app.commit_web(page);
        app
    }

    /// A web server with page "one" that was pushed once.
    #[track_caller]
    pub fn deployed(gateway: &Gateway) -> Self {
        let app = Self::web("one");
        app.push(gateway).ok();
        app
    }

    /// A web server that was pushed with page "one", and then with page "two".
    #[track_caller]
    pub fn upgraded(gateway: &Gateway) -> Self {
        let app = Self::deployed(gateway);
        app.commit_page("two");
        app.push(gateway).ok();
        app.shows("two");
        app
    }

    /// An app with a Dockerfile that starts from the base image and continues with these lines.
    pub fn from_dockerfile(lines: &str) -> Self {
        let app = Self::empty();
        app.commit_dockerfile(lines);
        app
    }

    /// A web server that any Engine can build, since it needs no base image.
    pub fn from_scratch(page: &str) -> Self {
        let app = Self::empty();
        std::fs::copy(busybox_path(), app.path().join("busybox")).unwrap();
        app.write("Dockerfile", include_str!("../fixtures/scratch.Dockerfile"));
        app.commit_page(page);
        app
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Replaces a text in the Dockerfile.
    pub fn edit_dockerfile(&self, text: &str, replacement: &str) {
        let dockerfile = self.dockerfile();
        assert!(dockerfile.contains(text), "{text:?} is not in:\n{dockerfile}");
        self.write("Dockerfile", &dockerfile.replace(text, replacement));
    }

    fn dockerfile(&self) -> String {
        std::fs::read_to_string(self.path().join("Dockerfile")).unwrap()
    }

    /// Commits all files, and returns the commit's id.
    #[track_caller]
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    /// Commits the files of a web server that serves the page, in place of an earlier Dockerfile.
    #[track_caller]
    pub fn commit_web(&self, page: &str) -> String {
        self.write("Dockerfile", &include_str!("../fixtures/web.Dockerfile").replace("BASE_IMAGE", base_image()));
        self.commit_page(page)
    }

    /// Commits another page.
    #[track_caller]
    pub fn commit_page(&self, page: &str) -> String {
        self.write("index.html", page);
        self.commit(page)
    }

    /// Commits a Dockerfile that starts from the base image and continues with these lines.
    #[track_caller]
    pub fn commit_dockerfile(&self, lines: &str) -> String {
        self.write("Dockerfile", &format!("FROM {}\n{lines}\n", base_image()));
        self.commit("another Dockerfile")
    }

    /// Commits a Dockerfile whose container prints "the last words" and exits with code 3.
    #[track_caller]
    pub fn commit_crash(&self) -> String {
        self.commit_dockerfile(r#"CMD ["sh", "-c", "echo the last words; exit 3"]"#)
    }

    /// Commits a Dockerfile with one more step. The app's name in it keeps other apps' build caches out.
    #[track_caller]
    pub fn commit_build_step(&self, step: &str) -> String {
        self.write("Dockerfile", &format!("{}RUN {step} # {}\n", self.dockerfile(), self.name));
        self.commit(step)
    }

    /// Commits a Dockerfile whose container starts to listen after a while, to make the rollout last.
    #[track_caller]
    pub fn commit_slow_start(&self, seconds: u32) -> String {
        self.edit_dockerfile("CMD [", &format!("CMD [\"sh\", \"-c\", \"sleep {seconds}; exec $0 $@\", "));
        self.commit("slow to start")
    }

    /// Commits a file `random` of this size, which cannot be compressed.
    #[track_caller]
    pub fn commit_random_file(&self, mebibytes: u64) -> String {
        let random = std::fs::File::open("/dev/urandom").unwrap();
        let mut file = std::fs::File::create(self.path().join("random")).unwrap();
        std::io::copy(&mut std::io::Read::take(random, mebibytes << 20), &mut file).unwrap();
        // git does not try to compress files above the threshold
        self.git(&["config", "core.bigFileThreshold", "1m"]);
        self.commit("random file")
    }

    /// Replaces the newest commit with one that lacks the file `random`.
    pub fn amend_without_random_file(&self) {
        std::fs::remove_file(self.path().join("random")).unwrap();
        self.git(&["commit", "-q", "-a", "--amend", "--allow-empty", "-m", "small"]);
    }

    /// Runs `git ARGUMENTS` in the working copy, which must succeed, and returns its output.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        run(git(self.path()).args(arguments)).stdout.trim().to_owned()
    }

    /// The id of the checked-out commit.
    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// `git push URL main` as the admin.
    #[track_caller]
    pub fn push(&self, gateway: &Gateway) -> Output {
        self.push_as(gateway, ADMIN, &["main"])
    }

    /// `git push URL ARGUMENTS` as a user. Options may be among the arguments.
    #[track_caller]
    pub fn push_as(&self, gateway: &Gateway, user: &str, arguments: &[&str]) -> Output {
        try_run(&mut self.push_command(gateway, user, arguments))
    }

    /// Starts `git push URL main` as the admin.
    pub fn start_push(&self, gateway: &Gateway) -> BackgroundCommand {
        self.start_push_with(gateway, &["main"])
    }

    /// Starts `git push URL ARGUMENTS` as the admin.
    pub fn start_push_with(&self, gateway: &Gateway, arguments: &[&str]) -> BackgroundCommand {
        BackgroundCommand::start(&mut self.push_command(gateway, ADMIN, arguments))
    }

    /// Commits a build step such as `sleep 20`, pushes, and waits until the step runs. A test that needs the step to end gives it
    /// a duration within which the test can do its part.
    #[track_caller]
    pub fn start_push_with_build_step(&self, gateway: &Gateway, step: &str) -> BackgroundCommand {
        self.commit_build_step(step);
        let push = self.start_push(gateway);
        push.wait_for_output(step);
        push
    }

    fn push_command(&self, gateway: &Gateway, user: &str, arguments: &[&str]) -> Command {
        let mut command = gateway.git(user, self.path());
        let (options, refs): (Vec<&&str>, Vec<&&str>) = arguments.iter().partition(|text| text.starts_with('-'));
        command.arg("push").args(options).arg(gateway.repository_url(&self.name)).args(refs);
        command
    }

    /// The commit that a ref of the gateway's repository points to.
    pub fn remote_ref(&self, gateway: &Gateway, reference: &str) -> Option<String> {
        // not git's working directory, since the repository may be removed at any moment
        let repository = format!("--git-dir={}", gateway.repository_path(&self.name).display());
        let output = try_run(git(self.path()).args([&repository, "rev-parse", "--verify", "-q", reference]));
        (output.code == Some(0)).then(|| output.stdout.trim().to_owned())
    }

    /// The quarantine directory of a push that the gateway is receiving.
    pub fn quarantine(&self, gateway: &Gateway) -> Option<PathBuf> {
        let objects = std::fs::read_dir(gateway.repository_path(&self.name).join("objects")).ok()?;
        let mut paths = objects.map_while(Result::ok).map(|entry| entry.path());
        paths.find(|path| path.file_name().unwrap().to_string_lossy().starts_with("tmp_objdir-incoming-"))
    }
}

impl Drop for App {
    fn drop(&mut self) {
        kubectl::delete_in_background("namespace", &self.name);
    }
}
