//! The state of a push, from the Engine's reports. Pure.

use bollard::models::{ProgressDetail, PushImageInfo};
use bytesize::ByteSize;

/// The layers of a push.
///
/// The Engine's reports name their layer, but bollard drops the name. Layers are therefore counted by the statuses that are
/// reported once per layer.
#[derive(Debug, Default)]
pub(super) struct PushProgress {
    layers: usize,
    present: usize,
    pushed: usize,
    uploads: Vec<Upload>,
}

/// A layer being sent, identified by its size.
#[derive(Debug)]
struct Upload {
    sent: i64,
    total: i64,
}

impl PushProgress {
    /// Records a report. Returns whether it announces a retry.
    pub(super) fn record(&mut self, report: &PushImageInfo) -> bool {
        let status = report.status.as_deref().unwrap_or_default();
        match status {
            "Preparing" => self.layers += 1,
            "Layer already exists" => self.present += 1,
            "Pushed" => self.pushed += 1,
            "Pushing" => self.record_upload(report.progress_detail.as_ref()),
            _ if status.starts_with("Mounted from") => self.present += 1,
            _ => return status.starts_with("Retrying in"),
        }
        false
    }

    /// Whether each layer is known to be new or present. The Engine sends a few layers at a time, so the last one is only
    /// classified after the first ones were sent.
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
    pub(super) fn sent_of_total(&self) -> String {
        let sent = self.uploads.iter().map(|upload| upload.sent.min(upload.total)).sum();
        format!("{} of {}", size(sent), size(self.total()))
    }

    pub(super) fn new_bytes(&self) -> u64 {
        self.total().try_into().unwrap_or(0)
    }

    fn total(&self) -> i64 {
        self.uploads.iter().map(|upload| upload.total).sum()
    }

    fn record_upload(&mut self, detail: Option<&ProgressDetail>) {
        let Some(ProgressDetail { current: Some(sent), total: Some(total) }) = detail else { return };
        let has_unknown_layer = self.uploads.len() < self.layers;
        let same = self.uploads.iter_mut().filter(|upload| upload.total == *total && upload.sent <= *sent);
        match same.max_by_key(|upload| upload.sent) {
            Some(upload) => upload.sent = *sent,
            None if has_unknown_layer => self.uploads.push(Upload { sent: *sent, total: *total }),
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

    fn progress_after(reports: &[PushImageInfo]) -> PushProgress {
        let mut progress = PushProgress::default();
        for report in reports {
            progress.record(report);
        }
        progress
    }

    #[test]
    fn layers_are_counted_and_their_sizes_added() {
        let prepared = || vec![report("The push refers to repository [x]"), report("Preparing"), report("Preparing")];
        let mut reports = prepared();
        assert!(!progress_after(&reports).is_classified());
        reports.extend([report("Layer already exists"), pushing(512, 1_200_000)]);
        assert!(progress_after(&reports).is_classified());
        assert_eq!(progress_after(&reports).summary(), "1 of 2 layers new, 1.2 MB");
        reports.extend([pushing(600_000, 1_200_000), pushing(1_300_000, 1_200_000), report("Pushed")]);
        assert_eq!(progress_after(&reports).summary(), "1 of 2 layers new, 1.2 MB");
        assert_eq!(progress_after(&reports).sent_of_total(), "1.2 MB of 1.2 MB");
    }

    #[test]
    fn a_summary_names_that_no_layer_is_new() {
        let reports = [report("Preparing"), report("Mounted from other")];
        assert_eq!(progress_after(&reports).summary(), "none of 1 layer new");
    }

    #[test]
    fn layers_that_are_sent_at_the_same_time_are_tracked_by_size() {
        let reports =
            [report("Preparing"), report("Preparing"), pushing(1, 10), pushing(1, 20), pushing(5, 10), pushing(9, 20)];
        assert_eq!(progress_after(&reports).sent_of_total(), "14 B of 30 B");
    }

    #[test]
    fn a_report_of_a_retry_is_recognised() {
        assert!(PushProgress::default().record(&report("Retrying in 5 seconds")));
        assert!(!PushProgress::default().record(&report("Waiting")));
    }
}
