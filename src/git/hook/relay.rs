//! The hook's end: `slipway hook`, started by git in the repository.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::{HookRequest, MAX_LINE, Reply};
use crate::domain::Quarantine;
use crate::git::service::SOCKET;
use crate::git::updates::{MAX_UPDATES, RefUpdate, RefusedUpdate};

/// How many push options are relayed.
const MAX_OPTIONS: usize = 64;
/// The longest push option, in bytes.
const MAX_OPTION: usize = 4096;
/// The longest line git may write about a ref: two ids and a name.
const MAX_UPDATE: u64 = 4096;

/// Why the hook refuses by itself.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("the pre-receive hook was not started by the gateway")]
    NoGateway,
    #[error("the gateway went away")]
    GatewayGone,
    #[error("the gateway answered in a way this hook does not understand")]
    Answer,
    #[error("git did not say properly what is pushed")]
    Input,
    #[error("the name of a branch or tag is too long or no UTF-8 text")]
    Name,
    #[error("{0}")]
    Refused(RefusedUpdate),
    #[error("too many push options: at most {MAX_OPTIONS} of {MAX_OPTION} bytes, in UTF-8")]
    Options,
    #[error("the pusher went away")]
    PusherGone,
}

/// Looks up a variable.
type Environment<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Runs `slipway hook`: tells the gateway what is pushed, prints what it answers, exits with its verdict.
/// Whatever goes wrong refuses the push.
pub async fn relay() -> ExitCode {
    let work = || {
        let environment = |name: &str| std::env::var_os(name);
        let verdict = run(&environment, std::io::stdin().lock(), std::io::stderr().lock());
        verdict.unwrap_or_else(|error| {
            let _ = writeln!(std::io::stderr(), "slipway: {error}");
            1
        })
    };
    tokio::task::spawn_blocking(work).await.map_or(ExitCode::FAILURE, ExitCode::from)
}

fn run(environment: Environment<'_>, stdin: impl Read, stderr: impl Write) -> Result<u8, RelayError> {
    let socket = environment(SOCKET).ok_or(RelayError::NoGateway)?;
    let request =
        HookRequest { updates: updates(stdin)?, options: options(environment)?, quarantine: quarantine(environment)? };
    let mut stream = UnixStream::connect(PathBuf::from(socket)).map_err(|_| RelayError::GatewayGone)?;
    let mut line = serde_json::to_vec(&request).map_err(|_| RelayError::Input)?;
    line.push(b'\n');
    stream.write_all(&line).map_err(|_| RelayError::GatewayGone)?;
    answers(BufReader::new(stream), stderr)
}

/// Reads what git tells a pre-receive hook: `OLD NEW REF`, line by line.
fn updates(stdin: impl Read) -> Result<Vec<RefUpdate>, RelayError> {
    let mut reader = BufReader::new(stdin);
    let mut updates = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut reader).take(MAX_UPDATE).read_until(b'\n', &mut line).map_err(|_| RelayError::Input)? == 0 {
            return Ok(updates);
        }
        if updates.len() == MAX_UPDATES {
            return Err(RelayError::Refused(RefusedUpdate::TooMany));
        }
        updates.push(update(&line)?);
    }
}

fn update(line: &[u8]) -> Result<RefUpdate, RelayError> {
    let line = line.strip_suffix(b"\n").ok_or(RelayError::Name)?;
    let line = std::str::from_utf8(line).map_err(|_| RelayError::Name)?;
    let mut words = line.splitn(3, ' ');
    let mut word = || words.next().ok_or(RelayError::Input);
    let (old, new, reference) = (word()?, word()?, word()?);
    let id = |text: &str| text.parse().map_err(|_| RelayError::Input);
    Ok(RefUpdate { old: id(old)?, new: id(new)?, reference: reference.to_owned() })
}

fn options(environment: Environment<'_>) -> Result<Vec<String>, RelayError> {
    let text = |name: &str| environment(name).map(OsString::into_string).transpose().map_err(|_| RelayError::Options);
    let count = text("GIT_PUSH_OPTION_COUNT")?.map_or(Ok(0), |count| count.parse());
    let count = count.map_err(|_| RelayError::Options)?;
    if count > MAX_OPTIONS {
        return Err(RelayError::Options);
    }
    let option = |n| {
        let option = text(&format!("GIT_PUSH_OPTION_{n}"))?.ok_or(RelayError::Options)?;
        if option.len() > MAX_OPTION { Err(RelayError::Options) } else { Ok(option) }
    };
    (0..count).map(option).collect()
}

/// git sets the three variables together, and none of them where a push brings no objects.
fn quarantine(environment: Environment<'_>) -> Result<Option<Quarantine>, RelayError> {
    let Some(path) = environment("GIT_QUARANTINE_PATH") else { return Ok(None) };
    let missing = || RelayError::Input;
    let object_directory = environment("GIT_OBJECT_DIRECTORY").ok_or_else(missing)?;
    let alternates = environment("GIT_ALTERNATE_OBJECT_DIRECTORIES").unwrap_or_default();
    Ok(Some(Quarantine {
        path: absolute(Path::new(&path))?,
        object_directory: absolute(Path::new(&object_directory))?,
        alternates: alternates.into_string().map_err(|_| missing())?,
    }))
}

/// The gateway runs elsewhere: a path of git's must not depend on where the hook runs.
fn absolute(path: &Path) -> Result<PathBuf, RelayError> {
    std::path::absolute(path).map_err(|_| RelayError::Input)
}

fn answers(mut gateway: impl BufRead, mut stderr: impl Write) -> Result<u8, RelayError> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut gateway).take(MAX_LINE).read_until(b'\n', &mut line);
        if read.map_err(|_| RelayError::GatewayGone)? == 0 || line.last() != Some(&b'\n') {
            return Err(RelayError::GatewayGone);
        }
        match serde_json::from_slice(&line).map_err(|_| RelayError::Answer)? {
            Reply::Line(text) => writeln!(stderr, "{text}").map_err(|_| RelayError::PusherGone)?,
            Reply::Exit(verdict) => return Ok(verdict),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::time::Duration;

    use super::super::{HookCall, HookListener};

    const ZERO: &str = "0000000000000000000000000000000000000000";
    const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

    /// Runs the hook on a thread of its own against `gateway`.
    async fn converse<F: Future<Output = ()>>(
        variables: &[(&str, &str)],
        stdin: Vec<u8>,
        gateway: impl FnOnce(HookCall) -> F,
    ) -> (Result<u8, RelayError>, String) {
        let directory = tempfile::tempdir().unwrap();
        let listener = HookListener::bind(directory.path()).unwrap();
        let mut variables: HashMap<String, OsString> =
            variables.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
        variables.insert(SOCKET.to_owned(), listener.path().into());
        let hook = tokio::task::spawn_blocking(move || {
            let mut stderr = Vec::new();
            let verdict = run(&|name| variables.get(name).cloned(), stdin.as_slice(), &mut stderr);
            (verdict, String::from_utf8(stderr).unwrap())
        });
        match tokio::time::timeout(Duration::from_secs(10), async { listener.accept().await }).await {
            Ok(Ok(call)) => gateway(call).await,
            other => panic!("{other:?}"),
        }
        hook.await.unwrap()
    }

    fn pushed() -> Vec<u8> {
        format!("{ZERO} {SHA} refs/heads/main\n").into_bytes()
    }

    #[tokio::test]
    async fn the_gateway_learns_what_is_pushed_and_its_lines_and_verdict_come_back() {
        let variables = [
            ("GIT_PUSH_OPTION_COUNT", "2"),
            ("GIT_PUSH_OPTION_0", "wait"),
            ("GIT_PUSH_OPTION_1", "a\n{\"exit\":0}\n\"b"),
            ("GIT_QUARANTINE_PATH", "/r/objects/q"),
            ("GIT_OBJECT_DIRECTORY", "/r/objects/q"),
            ("GIT_ALTERNATE_OBJECT_DIRECTORIES", "/r/objects"),
        ];
        let (verdict, printed) = converse(&variables, pushed(), |call| async move {
            let request = &call.request;
            assert_eq!(request.updates[0].reference, "refs/heads/main");
            assert_eq!(request.options, ["wait", "a\n{\"exit\":0}\n\"b"]);
            assert_eq!(request.quarantine.as_ref().unwrap().alternates, "/r/objects");
            call.line("-----> one\n\u{1b}[31mtwo").await.unwrap();
            call.finish(3).await.unwrap();
        })
        .await;
        assert_eq!((verdict.unwrap(), printed.as_str()), (3, "-----> one\ntwo\n"));
    }

    #[tokio::test]
    async fn a_gateway_that_goes_away_refuses_the_push() {
        let (verdict, _) = converse(&[], pushed(), |call| async move { drop(call) }).await;
        assert_eq!(verdict.unwrap_err().to_string(), "the gateway went away");
    }

    #[tokio::test]
    async fn a_push_without_objects_has_no_quarantine() {
        let (verdict, _) = converse(&[], pushed(), |call| async move {
            assert_eq!(call.request.quarantine, None);
            call.finish(0).await.unwrap();
        })
        .await;
        assert_eq!(verdict.unwrap(), 0);
    }

    #[tokio::test]
    async fn the_gateway_notices_when_the_hook_dies() {
        let directory = tempfile::tempdir().unwrap();
        let listener = HookListener::bind(directory.path()).unwrap();
        let mut hook = UnixStream::connect(listener.path()).unwrap();
        writeln!(hook, r#"{{"updates":[],"options":[],"quarantine":null}}"#).unwrap();
        let call = listener.accept().await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(50), call.gone()).await.is_err());
        drop(hook);
        tokio::time::timeout(Duration::from_secs(5), call.gone()).await.unwrap();
        assert!(call.line("x").await.is_err());
    }

    #[tokio::test]
    async fn a_socket_is_private_and_leaves_with_its_listener() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let listener = HookListener::bind(directory.path()).unwrap();
        assert_eq!(std::fs::metadata(listener.path()).unwrap().permissions().mode() & 0o777, 0o600);
        drop(listener);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn noise_on_the_socket_is_refused_without_being_kept() {
        let directory = tempfile::tempdir().unwrap();
        let listener = HookListener::bind(directory.path()).unwrap();
        let path = listener.path().to_owned();
        let noise = tokio::task::spawn_blocking(move || {
            let mut stream = UnixStream::connect(path).unwrap();
            let chunk = vec![b'x'; 1 << 20];
            while stream.write_all(&chunk).is_ok() {}
        });
        assert!(matches!(listener.accept().await, Err(crate::git::GitError::HookProtocol(_))));
        noise.await.unwrap();
    }

    fn without_gateway(variables: &[(&str, &str)], stdin: &[u8]) -> String {
        let lookup = |name: &str| {
            let (_, value) = variables.iter().find(|(key, _)| *key == name)?;
            Some(OsString::from(value))
        };
        run(&lookup, stdin, std::io::sink()).unwrap_err().to_string()
    }

    #[test]
    fn the_hook_says_plainly_why_it_refuses() {
        assert!(without_gateway(&[], b"").contains("not started by the gateway"));
        let socket = (SOCKET, "/nonexistent/socket");
        assert_eq!(without_gateway(&[socket], &pushed()), "the gateway went away");
        assert!(without_gateway(&[socket], b"rubbish\n").contains("git did not say"));
        assert!(without_gateway(&[socket], b"\xff\n").contains("UTF-8"));
        let long = format!("{ZERO} {SHA} refs/heads/{}\n", "a".repeat(5000));
        assert!(without_gateway(&[socket], long.as_bytes()).contains("too long"));
        let options = [socket, ("GIT_PUSH_OPTION_COUNT", "65")];
        assert!(without_gateway(&options, &pushed()).contains("too many push options"));
        let many: String = (0..=MAX_UPDATES).map(|n| format!("{ZERO} {SHA} refs/tags/{n}\n")).collect();
        assert!(without_gateway(&[socket], many.as_bytes()).contains("more than 1000"));
    }
}
