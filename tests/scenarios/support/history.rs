//! An app's release history, as its release records have it.

use super::{App, kubectl, wait_until};

impl App {
    /// Number and status of each release record, the oldest first.
    pub fn history(&self) -> Vec<(u32, String)> {
        let secrets = kubectl::list(&["secret", "-n", &self.name, "-l", "owner=helm"]);
        let labels = secrets.iter().map(|secret| &secret["metadata"]["labels"]);
        let mut history: Vec<(u32, String)> = labels
            .map(|labels| {
                let version = labels["version"].as_str().unwrap().parse().unwrap();
                (version, labels["status"].as_str().unwrap().to_owned())
            })
            .collect();
        history.sort();
        history
    }

    /// Whether the revision's record has this status.
    pub fn has_revision(&self, revision: &str, status: &str) -> bool {
        self.history().iter().any(|(number, of_number)| format!("v{number}") == revision && of_number == status)
    }
}

/// Asserts that the app has exactly these revisions, such as `("v1", "superseded")`.
#[track_caller]
pub fn assert_history(app: &App, expected: &[(&str, &str)]) {
    assert_eq!(formatted(app), joined(expected), "the history of {}", app.name);
}

/// Waits until the app has exactly these revisions.
#[track_caller]
pub fn wait_for_history(app: &App, expected: &[(&str, &str)]) {
    wait_until(&format!("the history {expected:?} of {}", app.name), || formatted(app) == joined(expected));
}

fn formatted(app: &App) -> Vec<String> {
    app.history().into_iter().map(|(number, status)| format!("v{number} {status}")).collect()
}

fn joined(expected: &[(&str, &str)]) -> Vec<String> {
    expected.iter().map(|(revision, status)| format!("{revision} {status}")).collect()
}
