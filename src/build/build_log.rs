//! Folds the events of a builder, BuildKit or classic, into lines. Pure.

use std::collections::HashMap;

use bollard::moby::buildkit::v1::{StatusResponse, Vertex, VertexLog};
use bollard::models::{BuildInfo, BuildInfoAux};

use super::output::LineSplitter;
use crate::domain::progress::strip_control;
use crate::domain::runtime_cause;

#[derive(Debug, Default)]
pub(super) struct BuildEventLog {
    image_id: Option<String>,
    /// The step that failed; with the classic builder, the step that runs.
    step: Option<String>,
    classic_output: LineSplitter,
    steps: HashMap<String, Step>,
    /// The digest of the BuildKit step that the last line belongs to.
    shown: Option<String>,
}

/// A vertex of BuildKit's graph.
#[derive(Debug, Default)]
struct Step {
    name: String,
    is_announced: bool,
    output: LineSplitter,
}

impl BuildEventLog {
    /// The lines that an event completes.
    pub(super) fn push(&mut self, event: BuildInfo) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(text) = &event.stream {
            lines.extend(self.push_classic(text));
        }
        if let (Some(status), None) = (&event.status, &event.progress_detail) {
            lines.push(match &event.id {
                Some(id) => format!("{id}: {status}"),
                None => status.clone(),
            });
        }
        match event.aux {
            Some(BuildInfoAux::Default(image)) => self.image_id = image.id.or(self.image_id.take()),
            Some(BuildInfoAux::BuildKit(status)) => lines.extend(self.push_buildkit(status)),
            None => {}
        }
        lines
    }

    /// The last lines of the steps, as far as they have no line end.
    pub(super) fn finish(&mut self) -> Vec<String> {
        let steps = self.steps.values_mut().filter_map(|step| step.output.finish());
        self.classic_output.finish().into_iter().chain(steps).collect()
    }

    /// `None` until the image is built.
    pub(super) fn image_id(&self) -> Option<&str> {
        self.image_id.as_deref()
    }

    /// `None` if the builder did not report a step.
    pub(super) fn failed_step(&self) -> Option<&str> {
        self.step.as_deref()
    }

    fn push_classic(&mut self, text: &str) -> Vec<String> {
        let lines = self.classic_output.push(text.as_bytes());
        if let Some(step) = lines.iter().rev().find(|line| line.starts_with("Step ")) {
            self.step = Some(step_title(&format!("step {}", step.trim_start_matches("Step "))));
        }
        lines
    }

    fn push_buildkit(&mut self, status: StatusResponse) -> Vec<String> {
        let mut lines = Vec::new();
        for vertex in status.vertexes {
            lines.extend(self.push_vertex(vertex));
        }
        for log in status.logs {
            lines.extend(self.push_output(&log));
        }
        for warning in status.warnings {
            lines.push(format!("warning: {}", String::from_utf8_lossy(&warning.short)));
        }
        lines
    }

    fn push_vertex(&mut self, vertex: Vertex) -> Option<String> {
        let step = self.steps.entry(vertex.digest.clone()).or_default();
        step.name.clone_from(&vertex.name);
        // The first error is the cause: steps that are cancelled because of it report errors too.
        if !vertex.error.is_empty() && self.step.is_none() {
            self.step = Some(step_title(&vertex.name));
        }
        if step.is_announced || vertex.started.is_none() || is_internal(&vertex.name) {
            return None;
        }
        step.is_announced = true;
        self.shown = Some(vertex.digest);
        Some(if vertex.cached { format!("{} (cached)", vertex.name) } else { vertex.name })
    }

    /// The output of a step, after the step's name if the last line belongs to another step.
    fn push_output(&mut self, log: &VertexLog) -> Vec<String> {
        let step = self.steps.entry(log.vertex.clone()).or_default();
        let mut lines = step.output.push(&log.msg);
        if !lines.is_empty() && self.shown.as_ref() != Some(&log.vertex) {
            lines.insert(0, step.name.clone());
            self.shown = Some(log.vertex.clone());
        }
        lines
    }
}

/// A step's name for use in a sentence: only its first line, since the name of a here-document has many.
fn step_title(name: &str) -> String {
    const MAX_CHARS: usize = 120;
    let line = name.trim_start_matches("[internal] ").lines().next().unwrap_or_default();
    match line.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => strip_control(&format!("{}…", line.get(..end).unwrap_or_default())),
        None => strip_control(line),
    }
}

/// Whether a step is BuildKit's own, such as reading the Dockerfile or unpacking the uploaded context.
fn is_internal(name: &str) -> bool {
    name.starts_with("[internal]") || name.starts_with("http://") || name == "copy /context /"
}

/// A builder's message about a failure, without the prefixes of its internal layers.
pub(super) fn failure_reason(message: &str) -> String {
    const PREFIXES: [&str; 4] = [
        "failed to solve with frontend dockerfile.v0: ",
        "failed to solve: ",
        "rpc error: code = Unknown desc = ",
        "failed to create LLB definition: ",
    ];
    let mut rest = message.trim();
    while let Some(inner) = PREFIXES.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        rest = inner;
    }
    runtime_cause(rest).lines().map(strip_control).collect::<Vec<_>>().join("\n")
}

/// The path that a `COPY` or `ADD` did not find, by a builder's message: relative to the root of the context.
pub(super) fn missing_path(reason: &str) -> Option<&str> {
    let file = || {
        let (path, rest) = reason.split_once("\"/")?.1.split_once('"')?;
        rest.contains("not found").then_some(path)
    };
    // BuildKit names the first directory that is missing, where it mounts the context.
    let directory = || {
        let mounted = reason.split_once(": lstat ")?.1.split_once("/buildkit-mount")?.1;
        mounted.split_once('/')?.1.strip_suffix(": no such file or directory")
    };
    let classic = || reason.split_once(": stat ")?.1.strip_suffix(": file does not exist");
    file().or_else(directory).or_else(classic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(digest: &str, name: &str) -> Vertex {
        Vertex { digest: digest.into(), name: name.into(), started: Some(Default::default()), ..Default::default() }
    }

    fn buildkit(vertexes: Vec<Vertex>, logs: &[(&str, &str)]) -> BuildInfo {
        let logs = logs.iter().map(|(vertex, text)| VertexLog {
            vertex: (*vertex).into(),
            msg: text.as_bytes().to_vec(),
            ..Default::default()
        });
        let status = StatusResponse { vertexes, logs: logs.collect(), ..Default::default() };
        BuildInfo { aux: Some(BuildInfoAux::BuildKit(status)), ..Default::default() }
    }

    fn classic(text: &str) -> BuildInfo {
        BuildInfo { stream: Some(text.into()), ..Default::default() }
    }

    #[test]
    fn a_buildkit_step_is_announced_once_and_again_after_output_of_another_step() {
        let mut log = BuildEventLog::default();
        let waiting = Vertex { started: None, ..started("1", "[1/2] RUN a") };
        assert!(log.push(buildkit(vec![waiting, started("0", "[internal] load")], &[])).is_empty());
        let first = buildkit(vec![started("1", "[1/2] RUN a"), started("2", "[2/2] RUN b")], &[("1", "one\ntw")]);
        assert_eq!(log.push(first), ["[1/2] RUN a", "[2/2] RUN b", "[1/2] RUN a", "one"]);
        assert_eq!(log.push(buildkit(vec![], &[("1", "o\n")])), ["two"]);
        let cached = Vertex { cached: true, ..started("3", "[3/3] COPY") };
        assert_eq!(log.push(buildkit(vec![cached], &[("2", "no end")])), ["[3/3] COPY (cached)"]);
        assert_eq!(log.finish(), ["no end"]);
    }

    #[test]
    fn the_first_failing_step_is_reported() {
        let mut log = BuildEventLog::default();
        let failed = |digest, name| Vertex { error: "exit code: 1".into(), ..started(digest, name) };
        log.push(buildkit(vec![failed("1", "[1/2] RUN false"), failed("2", "[2/2] RUN b")], &[]));
        assert_eq!(log.failed_step(), Some("[1/2] RUN false"));
    }

    #[test]
    fn a_step_title_is_one_short_line() {
        assert_eq!(step_title("[internal] load metadata for x"), "load metadata for x");
        assert_eq!(step_title("RUN <<EOF (a...)\nb"), "RUN <<EOF (a...)");
        assert_eq!(step_title(&"é".repeat(200)), format!("{}…", "é".repeat(120)));
    }

    #[test]
    fn the_classic_builder_writes_one_stream() {
        let mut log = BuildEventLog::default();
        assert_eq!(log.push(classic("Step 1/2 : FROM scratch\n")), ["Step 1/2 : FROM scratch"]);
        assert_eq!(log.push(classic(" ---> ")), Vec::<String>::new());
        assert_eq!(log.push(classic("Using cache\n")), [" ---> Using cache"]);
        assert_eq!(log.failed_step(), Some("step 1/2 : FROM scratch"));
        let pulling = |id: Option<&str>, status: &str| BuildInfo {
            id: id.map(Into::into),
            status: Some(status.into()),
            ..Default::default()
        };
        assert_eq!(log.push(pulling(Some("3.20"), "Pulling from library/alpine")).len(), 1);
        let layer = BuildInfo { progress_detail: Some(Default::default()), ..pulling(Some("ab"), "Downloading") };
        assert!(log.push(layer).is_empty());
    }

    #[test]
    fn the_image_id_is_kept() {
        let mut log = BuildEventLog::default();
        let image = bollard::models::ImageId { id: Some("sha256:ab".into()) };
        log.push(BuildInfo { aux: Some(BuildInfoAux::Default(image)), ..Default::default() });
        assert_eq!(log.image_id(), Some("sha256:ab"));
    }

    #[test]
    fn the_path_that_a_copy_did_not_find_is_read_from_the_message_of_either_builder() {
        for message in [
            "failed to compute cache key: \"/a/b.txt\" not found: not found",
            "failed to calculate checksum of ref 6x::a9: \"/a/b.txt\": not found",
            "COPY failed: file not found in build context or excluded by .dockerignore: stat a/b.txt: file does not exist",
        ] {
            assert_eq!(missing_path(message), Some("a/b.txt"), "{message}");
        }
        let message = "failed to compute cache key: failed to walk /var/lib/docker/tmp/buildkit-mount349/conf: lstat \
                       /var/lib/docker/tmp/buildkit-mount349/conf: no such file or directory";
        assert_eq!(missing_path(message), Some("conf"));
        assert_eq!(missing_path("process \"/bin/sh -c false\" did not complete successfully: exit code: 1"), None);
    }

    #[test]
    fn a_failure_reason_has_no_builder_prefixes() {
        let wrapped = "failed to solve with frontend dockerfile.v0: failed to create LLB definition: \
                       dockerfile parse error line 2: unknown instruction: RUNN\n";
        assert_eq!(failure_reason(wrapped), "dockerfile parse error line 2: unknown instruction: RUNN");
        assert_eq!(failure_reason("\u{1b}[31mplain"), "plain");
    }
}
