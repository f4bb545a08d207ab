//! How a deploy looks in the pusher's terminal: the marks that Heroku and Dokku print.

use crate::domain::Event;

/// The line for an event, without its end.
pub fn event(event: &Event) -> String {
    match event {
        Event::StageStarted { title } => format!("-----> {title}"),
        Event::Line { text } => format!("       {text}"),
        Event::StageFinished { title } => format!("=====> {title}"),
    }
}

/// The lines for a failure. Control characters are gone: a message may quote what the client sent.
pub fn failure(message: &str) -> Vec<String> {
    message.lines().map(|line| format!(" !     {}", crate::domain::progress::clean(line))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_details_and_results_have_marks_of_the_same_width() {
        assert_eq!(event(&Event::StageStarted { title: "Building".into() }), "-----> Building");
        assert_eq!(event(&Event::Line { text: "step 1".into() }), "       step 1");
        assert_eq!(event(&Event::StageFinished { title: "Released v1".into() }), "=====> Released v1");
    }

    #[test]
    fn every_line_of_a_failure_is_marked() {
        assert_eq!(failure("no Dockerfile\nadd one"), [" !     no Dockerfile", " !     add one"]);
        assert_eq!(failure("bad \u{1b}[31mname"), [" !     bad name"]);
    }
}
