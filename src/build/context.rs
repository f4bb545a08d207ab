//! The build context: the tar stream of a commit without the files that `.dockerignore` excludes, checked entry by
//! entry on its way to the Engine. Neither stream is held in memory.

use std::error::Error;
use std::io::{self, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use super::ignore::{IgnoreRules, InvalidIgnoreFile};

const CHUNK_BYTES: usize = 64 * 1024;
/// How many chunks are buffered before git has to wait for the Engine.
const CHUNK_QUEUE: usize = 8;

/// Removed from each mode, as in a checkout. A commit records only whether a file is executable; its other mode bits
/// come from git's setting `tar.umask`.
const GROUP_AND_OTHER_WRITE: u32 = 0o022;

#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// An entry that a tree of files cannot contain.
    #[error("the tree cannot be built: {path:?} {reason}")]
    InvalidEntry { path: String, reason: &'static str },
    #[error(transparent)]
    InvalidIgnoreFile(#[from] InvalidIgnoreFile),
    #[error("the files of the commit could not be read")]
    Read(#[source] io::Error),
    #[error("the Docker Engine stopped reading the build context")]
    ReaderGone,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ContextStats {
    /// Entries that were sent.
    pub entries: u64,
    /// Entries that `.dockerignore` excluded.
    pub ignored: u64,
    /// The size of the files that were sent.
    pub bytes: u64,
}

/// The files of a context, before the ignored ones are removed.
pub(super) struct ContextSource<R> {
    /// A tar stream.
    pub archive: R,
    pub rules: IgnoreRules,
    pub added: Option<AddedFile>,
}

/// A file that is not in the tree.
pub(super) struct AddedFile {
    pub path: String,
    pub content: Vec<u8>,
}

/// Starts to filter a context. Returns the stream for the Engine and the result of the filter. Dropping
/// the stream ends the filter, even if the archive sends nothing.
pub(super) fn filter_context(
    source: ContextSource<impl AsyncRead + Send + Unpin + 'static>,
) -> (impl Stream<Item = io::Result<Bytes>> + Send + 'static, JoinHandle<Result<ContextStats, ContextError>>) {
    let (sender, receiver) = mpsc::channel(CHUNK_QUEUE);
    let runtime = Handle::current();
    let filter = tokio::task::spawn_blocking(move || {
        let ContextSource { archive, rules, added } = source;
        let reader = BlockingReader { source: archive, runtime, sender: sender.clone() };
        let result = copy_entries(reader, ChunkWriter::new(sender.clone()), &rules, added.as_ref());
        if let Err(error) = &result {
            // An error as the last item makes the Engine's client abort the upload, so that the Engine never builds a
            // part of a context.
            let _ = sender.blocking_send(Err(io::Error::other(error.to_string())));
        }
        result
    });
    (ReceiverStream::new(receiver), filter)
}

fn copy_entries(
    source: impl Read,
    writer: ChunkWriter,
    rules: &IgnoreRules,
    added: Option<&AddedFile>,
) -> Result<ContextStats, ContextError> {
    let mut archive = tar::Archive::new(BufReader::with_capacity(CHUNK_BYTES, source));
    let mut out = tar::Builder::new(writer);
    let mut stats = ContextStats::default();
    for entry in archive.entries().map_err(to_context_error)? {
        copy_entry(entry.map_err(to_context_error)?, &mut out, rules, &mut stats)?;
    }
    if let Some(added) = added {
        append_file(added, &mut out)?;
    }
    // git reports only at the end of its output whether it is complete.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(to_context_error)?;
    let writer = out.into_inner().map_err(|_| ContextError::ReaderGone)?;
    writer.finish().map_err(|_| ContextError::ReaderGone)?;
    Ok(stats)
}

fn append_file(file: &AddedFile, out: &mut tar::Builder<ChunkWriter>) -> Result<(), ContextError> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(file.content.len() as u64);
    header.set_mode(0o644);
    out.append_data(&mut header, &file.path, file.content.as_slice()).map_err(to_context_error)
}

/// Copies an entry, unless it is ignored.
fn copy_entry(
    mut entry: tar::Entry<'_, impl Read>,
    out: &mut tar::Builder<ChunkWriter>,
    rules: &IgnoreRules,
    stats: &mut ContextStats,
) -> Result<(), ContextError> {
    let kind = entry.header().entry_type();
    if kind.is_pax_global_extensions() {
        return Ok(()); // the id of the commit, with which the context would differ from commit to commit
    }
    let raw = entry.path().map_err(to_context_error)?.into_owned();
    let path = path_inside_tree(&raw).map_err(|reason| invalid_entry(&raw, reason))?;
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    if rules.is_ignored(&path.to_string_lossy()) {
        stats.ignored += 1;
        return Ok(());
    }
    let mut header = reproducible_header(&entry, kind).map_err(|reason| invalid_entry(&raw, reason))?;
    match kind {
        tar::EntryType::Symlink | tar::EntryType::Link => {
            let target = link_target(&entry, kind).map_err(|reason| invalid_entry(&raw, reason))?;
            out.append_link(&mut header, &path, target).map_err(to_context_error)?;
        }
        _ => out.append_data(&mut header, &path, &mut entry).map_err(to_context_error)?,
    }
    stats.entries += 1;
    stats.bytes += header.entry_size().unwrap_or_default();
    Ok(())
}

/// The tar crate returns errors of the reader and of the writer alike; the error of a writer without a receiver is an
/// [`EngineGone`].
fn to_context_error(error: io::Error) -> ContextError {
    if is_engine_gone(&error) { ContextError::ReaderGone } else { ContextError::Read(error) }
}

/// Whether the error is an [`EngineGone`]; the tar crate wraps errors in its own.
fn is_engine_gone(error: &io::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = error.get_ref().map(|inner| inner as _);
    while let Some(error) = cause {
        if error.is::<EngineGone>() {
            return true;
        }
        cause = match error.downcast_ref::<io::Error>() {
            Some(error) => error.get_ref().map(|inner| inner as _),
            None => error.source(),
        };
    }
    false
}

/// The Engine's client has dropped the stream of the context. A `BrokenPipe` alone could be git's as well.
#[derive(Debug, thiserror::Error)]
#[error("the Docker Engine stopped reading")]
struct EngineGone;

fn engine_gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, EngineGone)
}

fn invalid_entry(path: &Path, reason: &'static str) -> ContextError {
    ContextError::InvalidEntry { path: path.to_string_lossy().into_owned(), reason }
}

/// The path without `.` components, if it stays inside the tree.
fn path_inside_tree(path: &Path) -> Result<PathBuf, &'static str> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => clean.push(part),
            Component::CurDir => {}
            Component::ParentDir => return Err("leads out of the tree"),
            Component::RootDir | Component::Prefix(_) => return Err("is an absolute path"),
        }
    }
    Ok(clean)
}

/// A symbolic link may have any target: the builder resolves it inside the context. The target of a hard link is
/// another entry.
fn link_target(entry: &tar::Entry<'_, impl Read>, kind: tar::EntryType) -> Result<PathBuf, &'static str> {
    let target = entry.link_name().ok().flatten().ok_or("is a link without a target")?;
    if kind.is_hard_link() { path_inside_tree(&target) } else { Ok(target.into_owned()) }
}

/// A header with the metadata that a build may depend on. The owner is not part of a commit. The time is, but both
/// builders ignore it when they compare files with their cache.
fn reproducible_header(entry: &tar::Entry<'_, impl Read>, kind: tar::EntryType) -> Result<tar::Header, &'static str> {
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    let size = match kind {
        Regular => entry.size(),
        Directory | Symlink | Link => 0,
        _ => return Err("is neither a file, nor a directory, nor a link"),
    };
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(entry.header().mode().map_err(|_| "has no valid mode")? & !GROUP_AND_OTHER_WRITE);
    header.set_mtime(entry.header().mtime().map_err(|_| "has no valid time")?);
    header.set_uid(0);
    header.set_gid(0);
    Ok(header)
}

/// Reads an asynchronous source from a blocking thread. Fails once the receiver of the chunks is dropped.
struct BlockingReader<R> {
    source: R,
    runtime: Handle,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl<R: AsyncRead + Unpin> Read for BlockingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (source, sender) = (&mut self.source, &self.sender);
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = sender.closed() => Err(engine_gone()),
                read = source.read(buffer) => read,
            }
        })
    }
}

/// Sends the written bytes in chunks, and blocks while the queue is full.
struct ChunkWriter {
    chunk: BytesMut,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl ChunkWriter {
    fn new(sender: mpsc::Sender<io::Result<Bytes>>) -> Self {
        Self { chunk: BytesMut::with_capacity(CHUNK_BYTES), sender }
    }

    fn send_chunk(&mut self) -> io::Result<()> {
        let chunk = std::mem::replace(&mut self.chunk, BytesMut::with_capacity(CHUNK_BYTES)).freeze();
        self.sender.blocking_send(Ok(chunk)).map_err(|_| engine_gone())
    }

    fn finish(mut self) -> io::Result<()> {
        if self.chunk.is_empty() { Ok(()) } else { self.send_chunk() }
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = CHUNK_BYTES.saturating_sub(self.chunk.len()).min(bytes.len());
        self.chunk.extend_from_slice(bytes.get(..length).unwrap_or_default());
        if self.chunk.len() >= CHUNK_BYTES {
            self.send_chunk()?;
        }
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "context_tests.rs"]
mod tests;
