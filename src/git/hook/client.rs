//! `slipway hook`, which git starts as the pre-receive hook: relays the push to the gateway.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::protocol::{HookRequest, MAX_MESSAGE_LEN, Reply};
use crate::domain::Quarantine;
use crate::git::ref_policy::{MAX_UPDATES, RefRejection, RefUpdate};
use crate::git::service_command::HOOK_SOCKET_VARIABLE;

const MAX_PUSH_OPTIONS: usize = 64;
/// In bytes.
const MAX_PUSH_OPTION_LEN: usize = 4096;
/// In bytes: two object ids and the name of a ref.
const MAX_UPDATE_LEN: u64 = 4096;

/// A failure of the hook itself. Every one of them rejects the push.
#[derive(Debug, thiserror::Error)]
pub(super) enum HookError {
    #[error("the pre-receive hook was not started by the gateway")]
    NoSocket,
    #[error("the gateway closed the connection: push again")]
    GatewayClosed,
    #[error("the gateway sent a reply that this version of the hook cannot read")]
    InvalidReply,
    #[error("git sent invalid input to the pre-receive hook")]
    InvalidInput,
    #[error("the name of a branch or tag is too long or not UTF-8")]
    InvalidRefName,
    #[error("{0}")]
    Rejected(RefRejection),
    #[error(
        "invalid push options: at most {MAX_PUSH_OPTIONS} of {MAX_PUSH_OPTION_LEN} bytes each are allowed, in UTF-8"
    )]
    InvalidPushOptions,
    #[error("the pusher closed the connection")]
    PusherClosed,
}

/// Reads an environment variable.
type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Runs `slipway hook`: sends the push to the gateway, prints the gateway's lines and exits with its verdict. Any failure
/// rejects the push.
pub async fn run_hook() -> ExitCode {
    let work = || {
        let environment = |name: &str| std::env::var_os(name);
        let exit_status = relay(&environment, std::io::stdin().lock(), std::io::stderr().lock());
        exit_status.unwrap_or_else(|error| {
            let _ = writeln!(std::io::stderr(), "slipway: {error}");
            1
        })
    };
    tokio::task::spawn_blocking(work).await.map_or(ExitCode::FAILURE, ExitCode::from)
}

fn relay(environment: Environment<'_>, stdin: impl Read, stderr: impl Write) -> Result<u8, HookError> {
    let socket = environment(HOOK_SOCKET_VARIABLE).ok_or(HookError::NoSocket)?;
    let request = HookRequest {
        updates: read_updates(stdin)?,
        options: read_push_options(environment)?,
        quarantine: read_quarantine(environment)?,
    };
    let mut stream = UnixStream::connect(PathBuf::from(socket)).map_err(|_| HookError::GatewayClosed)?;
    let mut message = serde_json::to_vec(&request).map_err(|_| HookError::InvalidInput)?;
    message.push(b'\n');
    stream.write_all(&message).map_err(|_| HookError::GatewayClosed)?;
    print_replies(BufReader::new(stream), stderr)
}

/// Reads the standard input of a pre-receive hook: lines of `OLD NEW REF`.
fn read_updates(stdin: impl Read) -> Result<Vec<RefUpdate>, HookError> {
    let mut reader = BufReader::new(stdin);
    let mut updates = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut reader).take(MAX_UPDATE_LEN).read_until(b'\n', &mut line).map_err(|_| HookError::InvalidInput)? == 0 {
            return Ok(updates);
        }
        if updates.len() == MAX_UPDATES {
            return Err(HookError::Rejected(RefRejection::TooManyUpdates));
        }
        updates.push(parse_update(&line)?);
    }
}

pub(super) fn parse_update(line: &[u8]) -> Result<RefUpdate, HookError> {
    let line = line.strip_suffix(b"\n").ok_or(HookError::InvalidRefName)?;
    let line = std::str::from_utf8(line).map_err(|_| HookError::InvalidRefName)?;
    let mut words = line.splitn(3, ' ');
    let mut next_word = || words.next().ok_or(HookError::InvalidInput);
    let (old, new, reference) = (next_word()?, next_word()?, next_word()?);
    let parse_id = |text: &str| text.parse().map_err(|_| HookError::InvalidInput);
    Ok(RefUpdate { old: parse_id(old)?, new: parse_id(new)?, reference: reference.to_owned() })
}

fn read_push_options(environment: Environment<'_>) -> Result<Vec<String>, HookError> {
    let invalid = || HookError::InvalidPushOptions;
    let variable = |name: &str| environment(name).map(OsString::into_string).transpose().map_err(|_| invalid());
    let count = variable("GIT_PUSH_OPTION_COUNT")?.map_or(Ok(0), |count| count.parse());
    let count = count.map_err(|_| invalid())?;
    if count > MAX_PUSH_OPTIONS {
        return Err(invalid());
    }
    let option = |n| {
        let option = variable(&format!("GIT_PUSH_OPTION_{n}"))?.ok_or_else(invalid)?;
        if option.len() > MAX_PUSH_OPTION_LEN { Err(invalid()) } else { Ok(option) }
    };
    (0..count).map(option).collect()
}

/// git sets the three variables together, and none of them for a push that brings no objects.
fn read_quarantine(environment: Environment<'_>) -> Result<Option<Quarantine>, HookError> {
    let Some(path) = environment("GIT_QUARANTINE_PATH") else { return Ok(None) };
    let invalid = || HookError::InvalidInput;
    let object_directory = environment("GIT_OBJECT_DIRECTORY").ok_or_else(invalid)?;
    let alternates = environment("GIT_ALTERNATE_OBJECT_DIRECTORIES").unwrap_or_default();
    Ok(Some(Quarantine {
        path: to_absolute(Path::new(&path))?,
        object_directory: to_absolute(Path::new(&object_directory))?,
        alternates: alternates.into_string().map_err(|_| invalid())?,
    }))
}

/// git may use paths relative to the hook's working directory, which is not the gateway's.
fn to_absolute(path: &Path) -> Result<PathBuf, HookError> {
    std::path::absolute(path).map_err(|_| HookError::InvalidInput)
}

/// Prints the gateway's lines; returns the exit status that ends the replies.
fn print_replies(mut gateway: impl BufRead, mut stderr: impl Write) -> Result<u8, HookError> {
    let mut message = Vec::new();
    loop {
        message.clear();
        let read = (&mut gateway).take(MAX_MESSAGE_LEN).read_until(b'\n', &mut message);
        if read.map_err(|_| HookError::GatewayClosed)? == 0 || message.last() != Some(&b'\n') {
            return Err(HookError::GatewayClosed);
        }
        match serde_json::from_slice(&message).map_err(|_| HookError::InvalidReply)? {
            Reply::Line(text) => writeln!(stderr, "{text}").map_err(|_| HookError::PusherClosed)?,
            Reply::Exit(status) => return Ok(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::time::Duration;

    use super::super::{HookListener, PendingHook, Verdict};

    const ZERO_ID: &str = "0000000000000000000000000000000000000000";
    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    /// Runs the hook on its own thread and `gateway` as its peer. Returns the hook's exit status and its output.
    async fn run_against<F: Future<Output = ()>>(
        variables: &[(&str, &str)],
        stdin: Vec<u8>,
        gateway: impl FnOnce(PendingHook) -> F,
    ) -> (Result<u8, HookError>, String) {
        let directory = tempfile::tempdir().unwrap();
        let listener = HookListener::bind(directory.path()).unwrap();
        let mut variables: HashMap<String, OsString> =
            variables.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
        variables.insert(HOOK_SOCKET_VARIABLE.to_owned(), listener.path().into());
        let hook = tokio::task::spawn_blocking(move || {
            let mut stderr = Vec::new();
            let status = relay(&|name| variables.get(name).cloned(), stdin.as_slice(), &mut stderr);
            (status, String::from_utf8(stderr).unwrap())
        });
        match tokio::time::timeout(Duration::from_secs(10), async { listener.accept().await }).await {
            Ok(Ok(pending)) => gateway(pending).await,
            other => panic!("{other:?}"),
        }
        hook.await.unwrap()
    }

    fn one_update() -> Vec<u8> {
        format!("{ZERO_ID} {COMMIT} refs/heads/main\n").into_bytes()
    }

    #[tokio::test]
    async fn the_hook_relays_the_push_and_prints_the_gateways_lines() {
        let variables = [
            ("GIT_PUSH_OPTION_COUNT", "2"),
            ("GIT_PUSH_OPTION_0", "wait"),
            ("GIT_PUSH_OPTION_1", "a\n{\"exit\":0}\n\"b"),
            ("GIT_QUARANTINE_PATH", "/r/objects/q"),
            ("GIT_OBJECT_DIRECTORY", "/r/objects/q"),
            ("GIT_ALTERNATE_OBJECT_DIRECTORIES", "/r/objects"),
        ];
        let (status, printed) = run_against(&variables, one_update(), |pending| async move {
            let request = &pending.request;
            assert_eq!(request.updates[0].reference, "refs/heads/main");
            assert_eq!(request.options, ["wait", "a\n{\"exit\":0}\n\"b"]);
            assert_eq!(request.quarantine.as_ref().unwrap().alternates, "/r/objects");
            pending.print("-----> one\n\u{1b}[31mtwo").await.unwrap();
            pending.send_verdict(Verdict::Reject).await.unwrap();
        })
        .await;
        assert_eq!((status.unwrap(), printed.as_str()), (1, "-----> one\ntwo\n"));
    }

    #[test]
    fn the_hook_exits_with_the_status_that_it_receives() {
        assert_eq!(print_replies(&b"{\"exit\":3}\n"[..], std::io::sink()).unwrap(), 3);
    }

    #[tokio::test]
    async fn a_closed_connection_rejects_the_push() {
        let (status, _) = run_against(&[], one_update(), |pending| async move { drop(pending) }).await;
        assert_eq!(status.unwrap_err().to_string(), "the gateway closed the connection: push again");
    }

    #[tokio::test]
    async fn a_push_without_objects_has_no_quarantine() {
        let (status, _) = run_against(&[], one_update(), |pending| async move {
            assert_eq!(pending.request.quarantine, None);
            pending.send_verdict(Verdict::Accept).await.unwrap();
        })
        .await;
        assert_eq!(status.unwrap(), 0);
    }

    #[tokio::test]
    async fn the_gateway_detects_that_the_hook_has_ended() {
        let directory = tempfile::tempdir().unwrap();
        let listener = HookListener::bind(directory.path()).unwrap();
        let mut hook = UnixStream::connect(listener.path()).unwrap();
        writeln!(hook, r#"{{"updates":[],"options":[],"quarantine":null}}"#).unwrap();
        let pending = listener.accept().await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(50), pending.closed()).await.is_err());
        drop(hook);
        tokio::time::timeout(Duration::from_secs(5), pending.closed()).await.unwrap();
        assert!(pending.print("x").await.is_err());
    }

    #[tokio::test]
    async fn a_socket_is_private_and_is_removed_with_its_listener() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let listener = HookListener::bind(directory.path()).unwrap();
        assert_eq!(std::fs::metadata(listener.path()).unwrap().permissions().mode() & 0o777, 0o600);
        drop(listener);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_request_without_end_is_rejected_without_buffering_all_of_it() {
        let directory = tempfile::tempdir().unwrap();
        let listener = HookListener::bind(directory.path()).unwrap();
        let path = listener.path().to_owned();
        let writer = tokio::task::spawn_blocking(move || {
            let mut stream = UnixStream::connect(path).unwrap();
            let chunk = vec![b'x'; 1 << 20];
            while stream.write_all(&chunk).is_ok() {}
        });
        assert!(matches!(listener.accept().await, Err(crate::git::GitError::HookProtocol(_))));
        writer.await.unwrap();
    }

    fn error_without_gateway(variables: &[(&str, &str)], stdin: &[u8]) -> String {
        let lookup = |name: &str| {
            let (_, value) = variables.iter().find(|(key, _)| *key == name)?;
            Some(OsString::from(value))
        };
        relay(&lookup, stdin, std::io::sink()).unwrap_err().to_string()
    }

    #[test]
    fn the_hook_prints_why_it_rejects_a_push() {
        assert!(error_without_gateway(&[], b"").contains("not started by the gateway"));
        let socket = (HOOK_SOCKET_VARIABLE, "/nonexistent/socket");
        assert_eq!(error_without_gateway(&[socket], &one_update()), "the gateway closed the connection: push again");
        assert!(error_without_gateway(&[socket], b"rubbish\n").contains("git sent invalid input"));
        assert!(error_without_gateway(&[socket], b"\xff\n").contains("UTF-8"));
        let long = format!("{ZERO_ID} {COMMIT} refs/heads/{}\n", "a".repeat(5000));
        assert!(error_without_gateway(&[socket], long.as_bytes()).contains("too long"));
        let options = [socket, ("GIT_PUSH_OPTION_COUNT", "65")];
        assert!(error_without_gateway(&options, &one_update()).contains("invalid push options"));
        let many: String = (0..=MAX_UPDATES).map(|n| format!("{ZERO_ID} {COMMIT} refs/tags/{n}\n")).collect();
        assert!(error_without_gateway(&[socket], many.as_bytes()).contains("more than 1000"));
    }
}
