//! Deploy progress and errors in a terminal, with the marks of Heroku and Dokku.
//!
//! git prints the lines of its hook to the pusher, whatever the front door of the push; SSH commands print theirs alike.

use crate::domain::ProgressEvent;
use crate::domain::progress::strip_control;

/// The line for an event, without a line feed.
pub fn format_event(event: &ProgressEvent) -> String {
    match event {
        ProgressEvent::StageStarted { title } => format!("-----> {title}"),
        ProgressEvent::Line { text } => format!("       {text}"),
        ProgressEvent::StageFinished { title } => format!("=====> {title}"),
    }
}

/// The lines for an error. Control characters are removed, because a message may quote a client's input.
pub fn format_error(message: &str) -> Vec<String> {
    message.lines().map(|line| format!(" !     {}", strip_control(line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_marks_of_the_same_width() {
        assert_eq!(format_event(&ProgressEvent::StageStarted { title: "Building".into() }), "-----> Building");
        assert_eq!(format_event(&ProgressEvent::Line { text: "step 1".into() }), "       step 1");
        assert_eq!(format_event(&ProgressEvent::StageFinished { title: "Released v1".into() }), "=====> Released v1");
    }

    #[test]
    fn every_line_of_an_error_is_marked() {
        assert_eq!(format_error("no Dockerfile\nadd one"), [" !     no Dockerfile", " !     add one"]);
        assert_eq!(format_error("bad \u{1b}[31mname"), [" !     bad name"]);
    }
}
