//! The gateway's side of the hook's socket.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Mutex;
use tokio::time::timeout;
use uuid::Uuid;

use super::protocol::{HookRequest, MAX_MESSAGE_LEN, Reply, Verdict};
use crate::domain::progress::strip_control;
use crate::git::error::GitError;

/// The hook only has to read a pipe and write to a socket.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Bounds the wait for a pusher who does not read the output.
const LINE_TIMEOUT: Duration = Duration::from_secs(60);
/// Longer than the SSH connection of a pusher who does not read stays open: once that connection ends, the hook reads on.
const VERDICT_TIMEOUT: Duration = Duration::from_secs(180);

/// The socket that the hook of one push connects to. Dropping the listener removes the socket.
#[derive(Debug)]
pub struct HookListener {
    socket: UnixListener,
    path: PathBuf,
}

impl HookListener {
    /// Listens on a new socket inside `directory`, which only slipway's user can enter.
    ///
    /// # Errors
    /// When the socket cannot be created.
    pub fn bind(directory: &Path) -> Result<Self, GitError> {
        let name = Uuid::new_v4().simple().to_string();
        let path = directory.join(format!("{}.sock", name.get(..16).unwrap_or(&name)));
        let socket = UnixListener::bind(&path).map_err(GitError::io("listen for the hook"))?;
        let listener = Self { socket, path };
        std::fs::set_permissions(&listener.path, Permissions::from_mode(0o600))
            .map_err(GitError::io("protect the hook's socket"))?;
        Ok(listener)
    }

    /// The socket's path, for the hook's environment.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits for the hook and its request. git starts the hook at most once, and not at all if it cannot unpack the push:
    /// wait for the end of receive-pack at the same time. Cancelling this future after the hook has connected rejects the
    /// push.
    ///
    /// # Errors
    /// When the peer sends no valid request in time.
    pub async fn accept(&self) -> Result<PendingHook, GitError> {
        let (stream, _) = self.socket.accept().await.map_err(GitError::io("accept the hook's connection"))?;
        timeout(REQUEST_TIMEOUT, PendingHook::receive(stream)).await.map_err(|_| GitError::HookTimedOut)?
    }
}

impl Drop for HookListener {
    fn drop(&mut self) {
        // The next start removes a socket that could not be removed here.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A connected hook that waits for the verdict. Dropping it without a verdict rejects the push.
#[derive(Debug)]
pub struct PendingHook {
    pub request: HookRequest,
    reader: Mutex<BufReader<OwnedReadHalf>>,
    outgoing: Mutex<Outgoing>,
}

#[derive(Debug)]
struct Outgoing {
    writer: OwnedWriteHalf,
    unsent: BytesMut,
}

impl PendingHook {
    async fn receive(stream: UnixStream) -> Result<Self, GitError> {
        let (reader, writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        let received = (&mut reader).take(MAX_MESSAGE_LEN).read_until(b'\n', &mut line).await;
        received.map_err(GitError::io("read the hook's request"))?;
        let request = serde_json::from_slice(&line).map_err(GitError::HookProtocol)?;
        let outgoing = Outgoing { writer, unsent: BytesMut::new() };
        Ok(Self { request, reader: Mutex::new(reader), outgoing: Mutex::new(outgoing) })
    }

    /// Prints each line of `text` on the pusher's terminal, without control characters. Waits at most a minute per line
    /// for a pusher who does not read.
    ///
    /// # Errors
    /// When the hook has ended, or cannot write its output in time.
    pub async fn print(&self, text: &str) -> io::Result<()> {
        for line in text.lines() {
            self.send(&Reply::Line(strip_control(line)), LINE_TIMEOUT).await?;
        }
        Ok(())
    }

    /// Ends the hook with the verdict.
    ///
    /// # Errors
    /// When the hook has ended already: git does not move the refs then.
    pub async fn send_verdict(self, verdict: Verdict) -> io::Result<()> {
        self.send(&Reply::Exit(verdict.exit_status()), VERDICT_TIMEOUT).await
    }

    /// Resolves when the hook's process has ended without waiting for the verdict.
    pub async fn closed(&self) {
        let mut reader = self.reader.lock().await;
        // The hook sends nothing after its request, so stray bytes end the wait like EOF and an error do.
        let _ = reader.read_u8().await;
    }

    /// Bytes that could not be sent in time are sent before the next reply: a partial reply would corrupt that one.
    async fn send(&self, reply: &Reply, limit: Duration) -> io::Result<()> {
        let message = serde_json::to_vec(reply)?;
        let mut outgoing = self.outgoing.lock().await;
        let Outgoing { writer, unsent } = &mut *outgoing;
        unsent.extend_from_slice(&message);
        unsent.extend_from_slice(b"\n");
        let stalled = |_| io::Error::new(io::ErrorKind::TimedOut, "the pusher does not read the output");
        timeout(limit, writer.write_all_buf(unsent)).await.map_err(stalled)?
    }
}
