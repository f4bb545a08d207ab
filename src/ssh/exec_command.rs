//! Parses exec lines. An exec line is never passed to a shell.

use super::commands::AppCommand;
use super::parse_error::ParseCommandError;
use crate::domain::{AppName, NameError};

/// In bytes.
const MAX_LINE_LEN: usize = 4096;

/// A valid exec line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecCommand {
    /// `git push`
    ReceivePack(AppName),
    /// `git fetch`, `git clone`
    UploadPack(AppName),
    /// `git archive --remote`
    UploadArchive(AppName),
    /// A command of slipway's own.
    App(AppCommand),
}

impl ExecCommand {
    /// The command's name in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ReceivePack(_) => "receive-pack",
            Self::UploadPack(_) => "upload-pack",
            Self::UploadArchive(_) => "upload-archive",
            Self::App(command) => command.name(),
        }
    }

    /// The app that the command names, if it names one.
    pub fn app(&self) -> Option<&AppName> {
        match self {
            Self::ReceivePack(app) | Self::UploadPack(app) | Self::UploadArchive(app) => Some(app),
            Self::App(command) => command.app(),
        }
    }
}

/// Parses an exec line.
pub(super) fn parse(line: &[u8]) -> Result<ExecCommand, ParseCommandError> {
    let words = split_words(line)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["git", rest @ ..] => parse_git(rest),
        ["git-lfs-authenticate" | "git-lfs-transfer", ..] => Err(ParseCommandError::GitLfs),
        [command, arguments @ ..] if command.starts_with("git-") => {
            parse_git_service(command.trim_start_matches("git-"), arguments)
        }
        // The name of the command in Deis Workflow.
        ["gitreceive", "upload-key", ..] => {
            AppCommand::from_words(words.get(1..).unwrap_or_default()).map(ExecCommand::App)
        }
        words => AppCommand::from_words(words).map(ExecCommand::App),
    }
}

/// Splits the line as a POSIX shell does. `#` begins a comment there, which would hide words from the checks below;
/// no command needs it, nor control characters.
fn split_words(line: &[u8]) -> Result<Vec<String>, ParseCommandError> {
    if line.len() > MAX_LINE_LEN {
        return Err(ParseCommandError::TooLong { limit: MAX_LINE_LEN });
    }
    let line = std::str::from_utf8(line).map_err(|_| ParseCommandError::InvalidCharacters)?;
    if line.chars().any(|c| c.is_control() || c == '#') {
        return Err(ParseCommandError::InvalidCharacters);
    }
    shell_words::split(line).map_err(|_| ParseCommandError::UnclosedQuote)
}

fn parse_git(words: &[&str]) -> Result<ExecCommand, ParseCommandError> {
    match words {
        [service, arguments @ ..] => parse_git_service(service, arguments),
        [] => Err(ParseCommandError::unknown(&["git"])),
    }
}

fn parse_git_service(service: &str, arguments: &[&str]) -> Result<ExecCommand, ParseCommandError> {
    let (command, usage): (fn(AppName) -> ExecCommand, _) = match service {
        "receive-pack" => (ExecCommand::ReceivePack, "git-receive-pack APP"),
        "upload-pack" => (ExecCommand::UploadPack, "git-upload-pack APP"),
        "upload-archive" => (ExecCommand::UploadArchive, "git-upload-archive APP"),
        _ => return Err(ParseCommandError::unknown(&["git", service])),
    };
    match arguments {
        [path] => Ok(command(parse_repository_path(path)?)),
        _ => Err(ParseCommandError::Usage(format!("usage: {usage}"))),
    }
}

/// Parses `APP`, which git sends for `git@host:APP`, and `/APP`, for `ssh://git@host/APP`. `.git` may follow.
fn parse_repository_path(path: &str) -> Result<AppName, NameError> {
    let name = path.strip_prefix('/').unwrap_or(path);
    name.strip_suffix(".git").unwrap_or(name).parse()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ssh::commands::UploadKey;

    fn myapp() -> AppName {
        "myapp".parse().unwrap()
    }

    #[test]
    fn every_form_of_repository_address_is_parsed() {
        for path in ["'/myapp'", "'myapp'", "myapp", "/myapp.git", "'myapp.git'", "\"myapp\""] {
            let line = format!("git-receive-pack {path}");
            assert_eq!(parse(line.as_bytes()), Ok(ExecCommand::ReceivePack(myapp())), "{line}");
        }
        assert_eq!(parse(b"git receive-pack '/myapp'"), Ok(ExecCommand::ReceivePack(myapp())));
        assert_eq!(parse(b"git-upload-pack '/myapp'"), Ok(ExecCommand::UploadPack(myapp())));
        assert_eq!(parse(b"git upload-archive 'myapp'"), Ok(ExecCommand::UploadArchive(myapp())));
    }

    #[test]
    fn upload_key_takes_a_user_name_and_an_admin_flag() {
        let bob: crate::domain::UserName = "bob".parse().unwrap();
        let upload = |admin| ExecCommand::App(AppCommand::UploadKey(UploadKey { user: bob.clone(), admin }));
        let (user, admin) = (upload(false), upload(true));
        assert_eq!(parse(b"upload-key bob"), Ok(user.clone()));
        assert_eq!(parse(b"gitreceive upload-key bob"), Ok(user));
        assert_eq!(parse(b"upload-key bob --admin"), Ok(admin.clone()));
        assert_eq!(parse(b"upload-key --admin bob"), Ok(admin));
    }

    #[test]
    fn invalid_lines_are_rejected() {
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
        assert_eq!(parse(b"git-receive-pack \xff"), Err(ParseCommandError::InvalidCharacters));
    }

    #[test]
    fn the_commands_of_git_lfs_are_refused_with_the_reason() {
        for line in ["git-lfs-authenticate 'myapp' upload", "git-lfs-transfer /myapp.git download"] {
            assert_eq!(parse(line.as_bytes()), Err(ParseCommandError::GitLfs), "{line}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_rejected_before_it_is_parsed() {
        assert_eq!(parse(&vec![b'\''; 1 << 20]), Err(ParseCommandError::TooLong { limit: MAX_LINE_LEN }));
        let padded = format!("git-receive-pack {}myapp", " ".repeat(MAX_LINE_LEN));
        assert_eq!(parse(padded.as_bytes()), Err(ParseCommandError::TooLong { limit: MAX_LINE_LEN }));
    }

    #[test]
    fn error_messages_are_short_and_free_of_control_characters() {
        let ParseCommandError::UnknownCommand(quoted) = parse("é".repeat(1000).as_bytes()).unwrap_err() else {
            panic!()
        };
        assert_eq!(quoted.chars().count(), 61);
        let message = parse("rm \u{202e}x".as_bytes()).unwrap_err().to_string();
        assert!(!message.contains('\u{202e}'), "{message}");
    }

    proptest! {
        #[test]
        fn no_line_makes_the_parser_panic(line in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&line);
        }

        #[test]
        fn a_valid_line_is_a_service_and_one_app_name(
            service in "(git-receive-pack|git upload-pack|git-upload-archive)",
            rest in "[ '\"\\\\;&|$`(){}<>*?~#a-z0-9./-]{0,40}",
        ) {
            if let Ok(command) = parse(format!("{service} {rest}").as_bytes()) {
                let name = command.app().unwrap().as_str().to_owned();
                let bare: String = rest.chars().filter(|c| !matches!(c, '\'' | '"' | '\\' | ' ')).collect();
                prop_assert_eq!(parse_repository_path(&bare).unwrap().to_string(), name);
            }
        }
    }
}
