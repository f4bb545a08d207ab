//! The gateway's end.

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
use uuid::Uuid;

use super::{HookRequest, MAX_LINE, Reply};
use crate::domain::progress::clean;
use crate::git::error::GitError;

/// How long the hook may take to say what is pushed; it only reads a pipe and writes a socket.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a line may wait for a pusher who does not read.
const STALL: Duration = Duration::from_secs(60);
/// How long the verdict may: longer than the connection to such a pusher lasts. When that ends, it arrives.
const VERDICT: Duration = Duration::from_secs(180);

/// Where the hook of one push connects to. Dropping it removes the socket.
#[derive(Debug)]
pub struct HookListener {
    socket: UnixListener,
    path: PathBuf,
}

impl HookListener {
    /// Listens on a new socket inside `directory`, which only slipway's user can enter.
    ///
    /// # Errors
    /// When the socket can't be made.
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

    /// Waits for the hook. git starts it once, and not at all for a push that it can't unpack: so
    /// wait for the service's end as well. A call that is cancelled after the hook connected is lost,
    /// and the push with it.
    ///
    /// # Errors
    /// When what connects does not say what is pushed.
    pub async fn accept(&self) -> Result<HookCall, GitError> {
        let (stream, _) = self.socket.accept().await.map_err(GitError::io("accept the hook"))?;
        let late = |_| GitError::HookProtocol(None);
        tokio::time::timeout(PATIENCE, HookCall::receive(stream)).await.map_err(late)?
    }
}

impl Drop for HookListener {
    fn drop(&mut self) {
        // If it is gone already, so much the better; what stays is removed at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A hook that waits for the verdict. Dropping it without one refuses the push.
#[derive(Debug)]
pub struct HookCall {
    /// What is pushed.
    pub request: HookRequest,
    reader: Mutex<BufReader<OwnedReadHalf>>,
    outgoing: Mutex<Outgoing>,
}

#[derive(Debug)]
struct Outgoing {
    writer: OwnedWriteHalf,
    unsent: BytesMut,
}

impl HookCall {
    async fn receive(stream: UnixStream) -> Result<Self, GitError> {
        let (reader, writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        (&mut reader).take(MAX_LINE).read_until(b'\n', &mut line).await.map_err(GitError::io("read from the hook"))?;
        let request = serde_json::from_slice(&line).map_err(|error| GitError::HookProtocol(Some(error)))?;
        let outgoing = Outgoing { writer, unsent: BytesMut::new() };
        Ok(Self { request, reader: Mutex::new(reader), outgoing: Mutex::new(outgoing) })
    }

    /// Shows the pusher a line, or several; control characters are removed. Waits while the pusher
    /// does not read, for a minute at most.
    ///
    /// # Errors
    /// When the hook is gone or does not get rid of its output.
    pub async fn line(&self, text: &str) -> io::Result<()> {
        for line in text.lines() {
            self.reply(&Reply::Line(clean(line)), STALL).await?;
        }
        Ok(())
    }

    /// Gives the verdict: 0 lets git move the refs.
    ///
    /// # Errors
    /// When the hook is gone, and the refs will not move.
    pub async fn finish(self, exit: u8) -> io::Result<()> {
        self.reply(&Reply::Exit(exit), VERDICT).await
    }

    /// Resolves when the hook's process has gone without waiting for the verdict.
    pub async fn gone(&self) {
        let mut reader = self.reader.lock().await;
        // The hook has nothing more to say: the end, an error and stray bytes all mean it is no hook any more.
        let _ = reader.read_u8().await;
    }

    /// What could not be sent in time stays first in line: half a reply would spoil the next one.
    async fn reply(&self, reply: &Reply, patience: Duration) -> io::Result<()> {
        let frame = serde_json::to_vec(reply)?;
        let mut outgoing = self.outgoing.lock().await;
        let Outgoing { writer, unsent } = &mut *outgoing;
        unsent.extend_from_slice(&frame);
        unsent.extend_from_slice(b"\n");
        let stalled = |_| io::Error::new(io::ErrorKind::TimedOut, "the pusher does not read");
        tokio::time::timeout(patience, writer.write_all_buf(unsent)).await.map_err(stalled)?
    }
}
