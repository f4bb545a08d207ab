//! What the two builders report, as lines. Pure: one report in, some lines out.

use std::collections::HashMap;

use bollard::moby::buildkit::v1::{StatusResponse, Vertex, VertexLog};
use bollard::models::{BuildInfo, BuildInfoAux};

use super::output::Lines;
use crate::domain::progress::clean;

/// Follows a build.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    image: Option<String>,
    /// The step that failed or, with the classic builder, the one that runs.
    step: Option<String>,
    classic: Lines,
    steps: HashMap<String, Step>,
    /// The BuildKit step whose output was shown last.
    shown: Option<String>,
}

/// One vertex of BuildKit's graph.
#[derive(Debug, Default)]
struct Step {
    name: String,
    announced: bool,
    lines: Lines,
}

impl Transcript {
    /// The lines that a report adds.
    pub(super) fn feed(&mut self, report: BuildInfo) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(text) = &report.stream {
            lines.extend(self.stream(text));
        }
        if let (Some(status), None) = (&report.status, &report.progress_detail) {
            lines.push(match &report.id {
                Some(id) => format!("{id}: {status}"),
                None => status.clone(),
            });
        }
        match report.aux {
            Some(BuildInfoAux::Default(image)) => self.image = image.id.or(self.image.take()),
            Some(BuildInfoAux::BuildKit(status)) => lines.extend(self.status(status)),
            None => {}
        }
        lines
    }

    /// The lines that never ended.
    pub(super) fn finish(&mut self) -> Vec<String> {
        let open = self.steps.values_mut().filter_map(|step| step.lines.finish());
        self.classic.finish().into_iter().chain(open).collect()
    }

    /// The id of the image, once it is built.
    pub(super) fn image(&self) -> Option<&str> {
        self.image.as_deref()
    }

    /// The step that failed, as far as the builder said which.
    pub(super) fn failed_step(&self) -> Option<&str> {
        self.step.as_deref()
    }

    /// The classic builder's output is one stream.
    fn stream(&mut self, text: &str) -> Vec<String> {
        let lines = self.classic.push(text.as_bytes());
        if let Some(step) = lines.iter().rev().find(|line| line.starts_with("Step ")) {
            self.step = Some(title(&format!("step {}", step.trim_start_matches("Step "))));
        }
        lines
    }

    /// BuildKit's is a graph, reported in pieces.
    fn status(&mut self, status: StatusResponse) -> Vec<String> {
        let mut lines = Vec::new();
        for vertex in status.vertexes {
            lines.extend(self.vertex(vertex));
        }
        for log in status.logs {
            lines.extend(self.log(&log));
        }
        for warning in status.warnings {
            lines.push(format!("warning: {}", String::from_utf8_lossy(&warning.short)));
        }
        lines
    }

    fn vertex(&mut self, vertex: Vertex) -> Option<String> {
        let step = self.steps.entry(vertex.digest.clone()).or_default();
        step.name.clone_from(&vertex.name);
        // A step that was cancelled because another one failed comes with an error too: the first is the cause.
        if !vertex.error.is_empty() && self.step.is_none() {
            self.step = Some(title(&vertex.name));
        }
        if step.announced || vertex.started.is_none() || is_internal(&vertex.name) {
            return None;
        }
        step.announced = true;
        self.shown = Some(vertex.digest);
        Some(if vertex.cached { format!("{} (cached)", vertex.name) } else { vertex.name })
    }

    /// The lines of one step; its name before them if another step was shown in between.
    fn log(&mut self, log: &VertexLog) -> Vec<String> {
        let step = self.steps.entry(log.vertex.clone()).or_default();
        let mut lines = step.lines.push(&log.msg);
        if !lines.is_empty() && self.shown.as_ref() != Some(&log.vertex) {
            lines.insert(0, step.name.clone());
            self.shown = Some(log.vertex.clone());
        }
        lines
    }
}

/// A step's name as part of a sentence: a here-document is a name of many lines.
fn title(name: &str) -> String {
    const LONGEST: usize = 120;
    let line = name.trim_start_matches("[internal] ").lines().next().unwrap_or_default();
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => clean(&format!("{}…", line.get(..end).unwrap_or_default())),
        None => clean(line),
    }
}

/// BuildKit's own housekeeping: reading the Dockerfile, unpacking the uploaded context.
fn is_internal(name: &str) -> bool {
    name.starts_with("[internal]") || name.starts_with("http://") || name == "copy /context /"
}

/// What a builder says of a failure, without the names of its own parts in front.
pub(super) fn reason(message: &str) -> String {
    const WRAPPINGS: [&str; 4] = [
        "failed to solve with frontend dockerfile.v0: ",
        "failed to solve: ",
        "rpc error: code = Unknown desc = ",
        "failed to create LLB definition: ",
    ];
    let mut rest = message.trim();
    while let Some(inner) = WRAPPINGS.iter().find_map(|wrapping| rest.strip_prefix(wrapping)) {
        rest = inner;
    }
    rest.lines().map(clean).collect::<Vec<_>>().join("\n")
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
    fn buildkit_steps_are_announced_once_and_again_when_another_came_between() {
        let mut transcript = Transcript::default();
        let waiting = Vertex { started: None, ..started("1", "[1/2] RUN a") };
        assert!(transcript.feed(buildkit(vec![waiting, started("0", "[internal] load")], &[])).is_empty());
        let first = buildkit(vec![started("1", "[1/2] RUN a"), started("2", "[2/2] RUN b")], &[("1", "one\ntw")]);
        assert_eq!(transcript.feed(first), ["[1/2] RUN a", "[2/2] RUN b", "[1/2] RUN a", "one"]);
        assert_eq!(transcript.feed(buildkit(vec![], &[("1", "o\n")])), ["two"]);
        let cached = Vertex { cached: true, ..started("3", "[3/3] COPY") };
        assert_eq!(transcript.feed(buildkit(vec![cached], &[("2", "no end")])), ["[3/3] COPY (cached)"]);
        assert_eq!(transcript.finish(), ["no end"]);
    }

    #[test]
    fn the_first_failing_step_is_the_cause() {
        let mut transcript = Transcript::default();
        let failed = |digest, name| Vertex { error: "exit code: 1".into(), ..started(digest, name) };
        transcript.feed(buildkit(vec![failed("1", "[1/2] RUN false"), failed("2", "[2/2] RUN b")], &[]));
        assert_eq!(transcript.failed_step(), Some("[1/2] RUN false"));
    }

    #[test]
    fn a_step_is_named_in_one_short_line() {
        assert_eq!(title("[internal] load metadata for x"), "load metadata for x");
        assert_eq!(title("RUN <<EOF (a...)\nb"), "RUN <<EOF (a...)");
        assert_eq!(title(&"é".repeat(200)), format!("{}…", "é".repeat(120)));
    }

    #[test]
    fn the_classic_builder_writes_one_stream() {
        let mut transcript = Transcript::default();
        assert_eq!(transcript.feed(classic("Step 1/2 : FROM scratch\n")), ["Step 1/2 : FROM scratch"]);
        assert_eq!(transcript.feed(classic(" ---> ")), Vec::<String>::new());
        assert_eq!(transcript.feed(classic("Using cache\n")), [" ---> Using cache"]);
        assert_eq!(transcript.failed_step(), Some("step 1/2 : FROM scratch"));
        let pulling = |id: Option<&str>, status: &str| BuildInfo {
            id: id.map(Into::into),
            status: Some(status.into()),
            ..Default::default()
        };
        assert_eq!(transcript.feed(pulling(Some("3.20"), "Pulling from library/alpine")).len(), 1);
        let layer = BuildInfo { progress_detail: Some(Default::default()), ..pulling(Some("ab"), "Downloading") };
        assert!(transcript.feed(layer).is_empty());
    }

    #[test]
    fn the_image_id_is_kept() {
        let mut transcript = Transcript::default();
        let image = bollard::models::ImageId { id: Some("sha256:ab".into()) };
        transcript.feed(BuildInfo { aux: Some(BuildInfoAux::Default(image)), ..Default::default() });
        assert_eq!(transcript.image(), Some("sha256:ab"));
    }

    #[test]
    fn a_reason_starts_with_what_went_wrong() {
        let wrapped = "failed to solve with frontend dockerfile.v0: failed to create LLB definition: \
                       dockerfile parse error line 2: unknown instruction: RUNN\n";
        assert_eq!(reason(wrapped), "dockerfile parse error line 2: unknown instruction: RUNN");
        assert_eq!(reason("\u{1b}[31mplain"), "plain");
    }
}
