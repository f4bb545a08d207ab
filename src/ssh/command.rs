//! What a client may ask for: the exec line, parsed exactly. Nothing here reaches a shell.

use super::verb::Verb;
use crate::domain::{AppName, NameError};

/// The longest exec line, in bytes.
pub const MAX_LINE: usize = 4096;

/// A command that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `git push`
    ReceivePack(AppName),
    /// `git fetch`, `git clone`
    UploadPack(AppName),
    /// `git archive --remote`
    UploadArchive(AppName),
    /// One of slipway's own.
    Verb(Verb),
}

impl Command {
    /// The verb, as logs name it.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::ReceivePack(_) => "receive-pack",
            Self::UploadPack(_) => "upload-pack",
            Self::UploadArchive(_) => "upload-archive",
            Self::Verb(verb) => verb.name(),
        }
    }

    /// The app it is about, if it is about one.
    pub fn app(&self) -> Option<&AppName> {
        match self {
            Self::ReceivePack(app) | Self::UploadPack(app) | Self::UploadArchive(app) => Some(app),
            Self::Verb(verb) => verb.app(),
        }
    }
}

/// Why a line is not a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Longer than [`MAX_LINE`].
    #[error("the command is longer than {MAX_LINE} bytes")]
    TooLong,
    /// Control characters, or not UTF-8.
    #[error("the command contains characters that no command has")]
    Characters,
    /// A quotation that does not end.
    #[error("the command has an unclosed quotation")]
    Quotation,
    /// A verb that slipway does not have.
    #[error("unknown command {0:?}; `help` lists what there is")]
    Unknown(String),
    /// A known verb with the wrong arguments.
    #[error("{0}")]
    Usage(String),
    /// A path or name that is not allowed.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl CommandError {
    /// Names what was asked for, but no more of it than a terminal line holds.
    pub fn unknown(words: &[&str]) -> Self {
        let mut asked: String = words.join(" ").chars().take(60).collect();
        if asked.len() < words.join(" ").len() {
            asked.push('…');
        }
        Self::Unknown(asked)
    }
}

/// Reads an exec line.
///
/// # Errors
/// [`CommandError`] for everything that is not exactly one of the commands.
pub fn parse(line: &[u8]) -> Result<Command, CommandError> {
    let words = split(line)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["git", rest @ ..] => git(rest),
        [verb, arguments @ ..] if verb.starts_with("git-") => git_service(verb.trim_start_matches("git-"), arguments),
        // what Deis called it
        ["gitreceive", "upload-key", ..] => Verb::read(words.get(1..).unwrap_or_default()).map(Command::Verb),
        words => Verb::read(words).map(Command::Verb),
    }
}

/// Words as a POSIX shell quotes them. `#` begins a comment there, which would hide words from the
/// checks below, and control characters have no place in any command.
fn split(line: &[u8]) -> Result<Vec<String>, CommandError> {
    if line.len() > MAX_LINE {
        return Err(CommandError::TooLong);
    }
    let line = std::str::from_utf8(line).map_err(|_| CommandError::Characters)?;
    if line.chars().any(|c| c.is_control() || c == '#') {
        return Err(CommandError::Characters);
    }
    shell_words::split(line).map_err(|_| CommandError::Quotation)
}

fn git(words: &[&str]) -> Result<Command, CommandError> {
    match words {
        [verb, arguments @ ..] => git_service(verb, arguments),
        [] => Err(CommandError::unknown(&["git"])),
    }
}

fn git_service(verb: &str, arguments: &[&str]) -> Result<Command, CommandError> {
    let (service, usage): (fn(AppName) -> Command, _) = match verb {
        "receive-pack" => (Command::ReceivePack, "git-receive-pack APP"),
        "upload-pack" => (Command::UploadPack, "git-upload-pack APP"),
        "upload-archive" => (Command::UploadArchive, "git-upload-archive APP"),
        _ => return Err(CommandError::unknown(&["git", verb])),
    };
    match arguments {
        [path] => Ok(service(app(path)?)),
        _ => Err(CommandError::Usage(format!("usage: {usage}"))),
    }
}

/// `APP`, as `git@host:APP` sends it, or `/APP`, as `ssh://git@host/APP` does; `.git` may follow.
fn app(path: &str) -> Result<AppName, NameError> {
    let name = path.strip_prefix('/').unwrap_or(path);
    name.strip_suffix(".git").unwrap_or(name).parse()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn myapp() -> AppName {
        "myapp".parse().unwrap()
    }

    #[test]
    fn git_is_understood_as_each_kind_of_address_sends_it() {
        for path in ["'/myapp'", "'myapp'", "myapp", "/myapp.git", "'myapp.git'", "\"myapp\""] {
            let line = format!("git-receive-pack {path}");
            assert_eq!(parse(line.as_bytes()), Ok(Command::ReceivePack(myapp())), "{line}");
        }
        assert_eq!(parse(b"git receive-pack '/myapp'"), Ok(Command::ReceivePack(myapp())));
        assert_eq!(parse(b"git-upload-pack '/myapp'"), Ok(Command::UploadPack(myapp())));
        assert_eq!(parse(b"git upload-archive 'myapp'"), Ok(Command::UploadArchive(myapp())));
    }

    #[test]
    fn keys_are_uploaded_for_a_name() {
        let bob: crate::domain::UserName = "bob".parse().unwrap();
        let user = Command::Verb(Verb::UploadKey { user: bob.clone(), admin: false });
        let admin = Command::Verb(Verb::UploadKey { user: bob, admin: true });
        assert_eq!(parse(b"upload-key bob"), Ok(user.clone()));
        assert_eq!(parse(b"gitreceive upload-key bob"), Ok(user));
        assert_eq!(parse(b"upload-key bob --admin"), Ok(admin.clone()));
        assert_eq!(parse(b"upload-key --admin bob"), Ok(admin));
    }

    #[test]
    fn anything_else_is_refused() {
        for line in [
            "",
            "sh",
            "git",
            "git-",
            "git-shell",
            "git push",
            "git-receive-pack",
            "git-receive-pack ''",
            "git-receive-pack a b",
            "git-receive-pack --help",
            "git-receive-pack '--upload-pack=x'",
            "git-upload-pack --upload-pack=id 'myapp'",
            "git-upload-pack --strict 'myapp'",
            "git-receive-pack '../myapp'",
            "git-receive-pack '//myapp'",
            "git-receive-pack '/a/../myapp'",
            "git-receive-pack '~/myapp'",
            "git-receive-pack 'myapp.git.git'",
            "git-receive-pack 'myapp/'",
            "git-receive-pack 'myapp'; id",
            "git-receive-pack 'myapp';id",
            "git-receive-pack 'myapp' && id",
            "git-receive-pack `id`",
            "git-receive-pack $(id)",
            "git-receive-pack 'myapp",
            "git-receive-pack 'myapp'\nid",
            "git-receive-pack 'myapp' # id",
            "git-receive-pack 'my\0app'",
            "git-receive-pack 'kube-system'",
            "git-receive-pack 'myapp%2e'",
            "sh -c 'git-receive-pack myapp'",
            "gitreceive",
            "gitreceive other bob",
            "upload-key",
            "upload-key bob alice",
            "upload-key --admin",
            "upload-key ../bob",
            "upload-key bob --admin --admin",
            "help me",
        ] {
            assert!(parse(line.as_bytes()).is_err(), "{line:?}");
        }
        assert_eq!(parse(b"git-receive-pack \xff"), Err(CommandError::Characters));
    }

    #[test]
    fn a_line_is_bounded_before_it_is_read() {
        assert_eq!(parse(&vec![b'\''; 1 << 20]), Err(CommandError::TooLong));
        let padded = format!("git-receive-pack {}myapp", " ".repeat(MAX_LINE));
        assert_eq!(parse(padded.as_bytes()), Err(CommandError::TooLong));
    }

    #[test]
    fn messages_are_short_and_free_of_control_characters() {
        let CommandError::Unknown(asked) = parse("é".repeat(1000).as_bytes()).unwrap_err() else { panic!() };
        assert_eq!(asked.chars().count(), 61);
        let message = parse("rm \u{202e}x".as_bytes()).unwrap_err().to_string();
        assert!(!message.contains('\u{202e}'), "{message}");
    }

    proptest! {
        #[test]
        fn no_line_makes_the_parser_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&line);
        }

        #[test]
        fn what_passes_is_a_verb_and_one_name(
            verb in "(git-receive-pack|git upload-pack|git-upload-archive)",
            rest in "[ '\"\\\\;&|$`(){}<>*?~#a-z0-9./-]{0,40}",
        ) {
            if let Ok(command) = parse(format!("{verb} {rest}").as_bytes()) {
                let name = command.app().unwrap().as_str().to_owned();
                let bare: String = rest.chars().filter(|c| !matches!(c, '\'' | '"' | '\\' | ' ')).collect();
                prop_assert_eq!(app(&bare).unwrap().to_string(), name);
            }
        }
    }
}
