//! What the Engine reports while it pushes, as one sentence. Pure.

use bollard::models::{ProgressDetail, PushImageInfo};
use bytesize::ByteSize;

/// What is known of a push so far.
///
/// The Engine's reports name the layer they are about, but its client drops the name: layers are
/// counted by what is reported once for each of them.
#[derive(Debug, Default)]
pub(super) struct PushProgress {
    layers: usize,
    present: usize,
    pushed: usize,
    uploads: Vec<Upload>,
}

/// A layer on its way, recognised by its size.
#[derive(Debug)]
struct Upload {
    sent: i64,
    total: i64,
}

impl PushProgress {
    /// Adds a report. True for one that says that the Engine tries again.
    pub(super) fn add(&mut self, report: &PushImageInfo) -> bool {
        let status = report.status.as_deref().unwrap_or_default();
        match status {
            "Preparing" => self.layers += 1,
            "Layer already exists" => self.present += 1,
            "Pushed" => self.pushed += 1,
            "Pushing" => self.uploading(report.progress_detail.as_ref()),
            _ if status.starts_with("Mounted from") => self.present += 1,
            _ => return status.starts_with("Retrying in"),
        }
        false
    }

    /// Whether it is known of each layer if it is new. The Engine sends a few layers at a time, so
    /// it is known of the last one only when the first ones are through.
    pub(super) fn is_classified(&self) -> bool {
        self.layers > 0 && self.present + self.uploads.len().max(self.pushed) >= self.layers
    }

    /// Such as `1 of 4 layers new, 1.2 MB`.
    pub(super) fn summary(&self) -> String {
        let new = self.layers.saturating_sub(self.present);
        let noun = if self.layers == 1 { "layer" } else { "layers" };
        match new {
            0 => format!("none of {} {noun} new", self.layers),
            _ => format!("{new} of {} {noun} new, {}", self.layers, size(self.total())),
        }
    }

    /// Such as `12.0 MB of 80.3 MB`.
    pub(super) fn sent(&self) -> String {
        let sent = self.uploads.iter().map(|upload| upload.sent.min(upload.total)).sum();
        format!("{} of {}", size(sent), size(self.total()))
    }

    /// How many bytes of new layers there are.
    pub(super) fn bytes(&self) -> u64 {
        self.total().try_into().unwrap_or(0)
    }

    fn total(&self) -> i64 {
        self.uploads.iter().map(|upload| upload.total).sum()
    }

    fn uploading(&mut self, detail: Option<&ProgressDetail>) {
        let Some(ProgressDetail { current: Some(sent), total: Some(total) }) = detail else { return };
        let room = self.uploads.len() < self.layers;
        let same = self.uploads.iter_mut().filter(|upload| upload.total == *total && upload.sent <= *sent);
        match same.max_by_key(|upload| upload.sent) {
            Some(upload) => upload.sent = *sent,
            None if room => self.uploads.push(Upload { sent: *sent, total: *total }),
            None => {}
        }
    }
}

fn size(bytes: i64) -> String {
    ByteSize(bytes.try_into().unwrap_or(0)).display().si().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(status: &str) -> PushImageInfo {
        PushImageInfo { status: Some(status.into()), ..Default::default() }
    }

    fn pushing(sent: i64, total: i64) -> PushImageInfo {
        let progress_detail = Some(ProgressDetail { current: Some(sent), total: Some(total) });
        PushImageInfo { progress_detail, ..report("Pushing") }
    }

    fn after(reports: &[PushImageInfo]) -> PushProgress {
        let mut progress = PushProgress::default();
        for report in reports {
            progress.add(report);
        }
        progress
    }

    #[test]
    fn layers_are_counted_and_their_sizes_added() {
        let prepared = || vec![report("The push refers to repository [x]"), report("Preparing"), report("Preparing")];
        let mut reports = prepared();
        assert!(!after(&reports).is_classified());
        reports.extend([report("Layer already exists"), pushing(512, 1_200_000)]);
        assert!(after(&reports).is_classified());
        assert_eq!(after(&reports).summary(), "1 of 2 layers new, 1.2 MB");
        reports.extend([pushing(600_000, 1_200_000), pushing(1_300_000, 1_200_000), report("Pushed")]);
        assert_eq!(after(&reports).summary(), "1 of 2 layers new, 1.2 MB");
        assert_eq!(after(&reports).sent(), "1.2 MB of 1.2 MB");
    }

    #[test]
    fn nothing_new_is_said_so() {
        let reports = [report("Preparing"), report("Mounted from other")];
        assert_eq!(after(&reports).summary(), "none of 1 layer new");
    }

    #[test]
    fn layers_that_are_sent_at_once_are_told_apart() {
        let reports =
            [report("Preparing"), report("Preparing"), pushing(1, 10), pushing(1, 20), pushing(5, 10), pushing(9, 20)];
        assert_eq!(after(&reports).sent(), "14 B of 30 B");
    }

    #[test]
    fn another_attempt_is_noticed() {
        assert!(PushProgress::default().add(&report("Retrying in 5 seconds")));
        assert!(!PushProgress::default().add(&report("Waiting")));
    }
}
