//! The commands of processes, the release phase and cron tasks.

use serde::Serialize;

use super::scalars::escape_for_kubernetes;

/// The characters that a shell reads in another way than as text.
const SHELL_SYNTAX: [char; 18] =
    ['$', '`', '|', '&', ';', '<', '>', '(', ')', '*', '?', '[', ']', '~', '{', '}', '#', '!'];

/// A command, and whether a shell has to run it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Command {
    /// A program and its arguments.
    Arguments(Vec<String>),
    /// A line for `/bin/sh -c`.
    Shell(String),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    #[error("the command is empty")]
    Empty,
    #[error("a quote or a backslash in the command has no end")]
    Unfinished,
    #[error("the command has a NUL character")]
    Nul,
}

impl Command {
    /// Reads one line. It is for a shell if it has anything that only a shell understands.
    pub fn from_line(line: &str) -> Result<Self, CommandError> {
        let line = line.trim();
        match shell_words::split(line) {
            _ if line.contains('\0') => Err(CommandError::Nul),
            Ok(words) if words.is_empty() => Err(CommandError::Empty),
            Ok(words) if has_shell_syntax(line, &words) => Ok(Self::Shell(with_exec(line))),
            Ok(words) => Ok(Self::Arguments(words)),
            Err(_) => Err(CommandError::Unfinished),
        }
    }

    /// A program with its arguments, as they are.
    pub fn from_words(words: Vec<String>) -> Result<Self, CommandError> {
        match words.first() {
            None => Err(CommandError::Empty),
            Some(program) if program.is_empty() => Err(CommandError::Empty),
            Some(_) if words.iter().any(|word| word.contains('\0')) => Err(CommandError::Nul),
            Some(_) => Ok(Self::Arguments(words)),
        }
    }

    pub fn needs_shell(&self) -> bool {
        matches!(self, Self::Shell(_))
    }

    /// As [`Command::to_arguments`], for a manifest: Kubernetes would replace `$(NAME)` and `$$`.
    pub fn to_kubernetes(&self) -> Vec<String> {
        self.to_arguments().iter().map(|word| escape_for_kubernetes(word)).collect()
    }

    /// The argument vector.
    pub fn to_arguments(&self) -> Vec<String> {
        match self {
            Self::Arguments(words) => words.clone(),
            Self::Shell(line) => ["/bin/sh", "-c", line].map(str::to_owned).to_vec(),
        }
    }
}

/// Text in single quotes and after a backslash is literal; it is cheaper to run a shell once too often than to parse its
/// language.
fn has_shell_syntax(line: &str, words: &[String]) -> bool {
    let is_for_shell = words.first().is_some_and(|word| word.contains('=') || is_shell_word(word));
    is_for_shell || line.contains(SHELL_SYNTAX)
}

/// With `exec`, a single program replaces the shell, and gets the signal to stop.
fn with_exec(line: &str) -> String {
    let is_simple = !line.contains([';', '|', '&', '(', ')', '{', '}', '`', '<', '>', '!', '\n'])
        && line.split_whitespace().next().is_some_and(|word| !word.contains(['=', '$']) && !is_shell_word(word));
    if is_simple { format!("exec {line}") } else { line.to_owned() }
}

/// Words after which no program follows, or which the shell runs itself.
fn is_shell_word(word: &str) -> bool {
    const WORDS: [&str; 18] = [
        "exec", "if", "for", "while", "until", "case", "cd", "export", "set", "unset", "eval", "source", ".", "trap",
        "ulimit", "umask", "exit", "wait",
    ];
    WORDS.contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Vec<String> {
        Command::from_line(line).unwrap().to_arguments()
    }

    #[test]
    fn a_plain_line_needs_no_shell() {
        assert_eq!(
            arguments(" bundle exec  puma -C 'config/my puma.rb' "),
            ["bundle", "exec", "puma", "-C", "config/my puma.rb"]
        );
        assert!(!Command::from_line("node server.js --port=80").unwrap().needs_shell());
    }

    #[test]
    fn a_shell_runs_what_only_a_shell_understands() {
        assert_eq!(arguments("gunicorn -b :$PORT app"), ["/bin/sh", "-c", "exec gunicorn -b :$PORT app"]);
        for line in [
            "a && b",
            "RAILS_ENV=x rake",
            "cd app; ./run",
            "exec ./run $X",
            "./a | tee b",
            "$CMD -x",
            "exec ./run",
            "exit 3",
            "source .env",
        ] {
            assert_eq!(arguments(line), ["/bin/sh", "-c", line], "{line}");
        }
    }

    #[test]
    fn a_command_without_a_program_is_refused() {
        assert_eq!(Command::from_line("  "), Err(CommandError::Empty));
        assert_eq!(Command::from_line("echo 'a"), Err(CommandError::Unfinished));
        assert_eq!(Command::from_words(vec![String::new()]), Err(CommandError::Empty));
        assert_eq!(Command::from_words(vec!["a".to_owned(), "\0".to_owned()]), Err(CommandError::Nul));
    }
}
