//! The build context: the tar stream of a commit, without what `.dockerignore` leaves out and checked
//! entry by entry, on its way to the Engine. Neither stream is ever held in memory.

use std::io::{self, BufReader, Read, Write};
use std::path::{Component, Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

use super::ignore::{Ignore, InvalidPattern};

/// Bytes that travel together.
const CHUNK: usize = 64 * 1024;
/// Chunks that wait for the Engine before git has to wait.
const QUEUE: usize = 8;

/// git knows files that are executable and files that are not; who else may write them comes from its
/// `tar.umask`. In a checkout, which is what people build elsewhere, nobody else may.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why a context is not sent.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// An entry that no tree of files has.
    #[error("the tree cannot be built: {path:?} {reason}")]
    Refused {
        /// The entry's path.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// `.dockerignore` is not valid.
    #[error(transparent)]
    Ignore(#[from] InvalidPattern),
    /// The files of the commit could not be read to the end.
    #[error("the files of the commit could not be read")]
    Source(#[source] io::Error),
    /// Nobody reads the context any more.
    #[error("the context was not read to its end")]
    Abandoned,
}

/// How much was sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Entries that were sent.
    pub entries: u64,
    /// Entries that `.dockerignore` left out.
    pub ignored: u64,
    /// Bytes of files that were sent.
    pub bytes: u64,
}

/// Starts to filter `source`, a tar stream. The first value is what the Engine gets; the second how it
/// ended. Dropping the stream ends the filter, also while `source` is silent.
pub fn filter(
    source: impl AsyncRead + Send + Unpin + 'static,
    ignore: Ignore,
) -> (impl Stream<Item = io::Result<Bytes>> + Send + 'static, JoinHandle<Result<Sent, ContextError>>) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let handle = Handle::current();
    let job = tokio::task::spawn_blocking(move || {
        let outcome = copy(Source { source, handle, sender: sender.clone() }, Sink::new(sender.clone()), &ignore);
        if let Err(error) = &outcome {
            // An error as the last item makes the Engine's client break the upload off: half a context is never built.
            let _ = sender.blocking_send(Err(io::Error::other(error.to_string())));
        }
        outcome
    });
    (ReceiverStream::new(receiver), job)
}

fn copy(source: impl Read, sink: Sink, ignore: &Ignore) -> Result<Sent, ContextError> {
    let mut archive = tar::Archive::new(BufReader::with_capacity(CHUNK, source));
    let mut out = tar::Builder::new(sink);
    let mut sent = Sent::default();
    for entry in archive.entries().map_err(failure)? {
        forward(entry.map_err(failure)?, &mut out, ignore, &mut sent)?;
    }
    // git says only at the end of its output whether all of it was there.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(failure)?;
    let sink = out.into_inner().map_err(|_| ContextError::Abandoned)?;
    sink.finish().map_err(|_| ContextError::Abandoned)?;
    Ok(sent)
}

/// Copies one entry, if it belongs into the context.
fn forward(
    mut entry: tar::Entry<'_, impl Read>,
    out: &mut tar::Builder<Sink>,
    ignore: &Ignore,
    sent: &mut Sent,
) -> Result<(), ContextError> {
    let kind = entry.header().entry_type();
    if kind.is_pax_global_extensions() {
        return Ok(()); // git's note of the commit: it would make each commit's context another
    }
    let raw = entry.path().map_err(failure)?.into_owned();
    let path = inside(&raw).map_err(|reason| refused(&raw, reason))?;
    if path.as_os_str().is_empty() {
        return Ok(());
    }
    if ignore.excludes(&path.to_string_lossy()) {
        sent.ignored += 1;
        return Ok(());
    }
    let mut header = header(&entry, kind).map_err(|reason| refused(&raw, reason))?;
    match kind {
        tar::EntryType::Symlink | tar::EntryType::Link => {
            let target = link_target(&entry, kind).map_err(|reason| refused(&raw, reason))?;
            out.append_link(&mut header, &path, target).map_err(failure)?;
        }
        _ => out.append_data(&mut header, &path, &mut entry).map_err(failure)?,
    }
    sent.entries += 1;
    sent.bytes += header.entry_size().unwrap_or_default();
    Ok(())
}

/// Reading and writing fail alike inside the tar crate; a sink nobody reads says so by its kind.
fn failure(error: io::Error) -> ContextError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => ContextError::Abandoned,
        _ => ContextError::Source(error),
    }
}

fn refused(path: &Path, reason: &'static str) -> ContextError {
    ContextError::Refused { path: path.to_string_lossy().into_owned(), reason }
}

/// The path without `.` components, if it stays inside the tree.
fn inside(path: &Path) -> Result<PathBuf, &'static str> {
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

/// A symbolic link may point anywhere: the builder resolves it inside the context. A hard link names
/// another entry.
fn link_target(entry: &tar::Entry<'_, impl Read>, kind: tar::EntryType) -> Result<PathBuf, &'static str> {
    let target = entry.link_name().ok().flatten().ok_or("is a link to nowhere")?;
    if kind.is_hard_link() { inside(&target) } else { Ok(target.into_owned()) }
}

/// A header with what a build can depend on. The owner is not part of a commit; the time is, but
/// both builders leave it out when they compare files with their cache.
fn header(entry: &tar::Entry<'_, impl Read>, kind: tar::EntryType) -> Result<tar::Header, &'static str> {
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    let size = match kind {
        Regular => entry.size(),
        Directory | Symlink | Link => 0,
        _ => return Err("is neither a file, nor a directory, nor a link"),
    };
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(entry.header().mode().map_err(|_| "has no valid mode")? & !WRITABLE_BY_OTHERS);
    header.set_mtime(entry.header().mtime().map_err(|_| "has no valid time")?);
    header.set_uid(0);
    header.set_gid(0);
    Ok(header)
}

/// An asynchronous reader, read from a blocking thread, until nobody wants the result.
struct Source<R> {
    source: R,
    handle: Handle,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl<R: AsyncRead + Unpin> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (source, sender) = (&mut self.source, &self.sender);
        self.handle.block_on(async {
            tokio::select! {
                biased;
                () = sender.closed() => Err(io::ErrorKind::BrokenPipe.into()),
                read = source.read(buffer) => read,
            }
        })
    }
}

/// Collects what is written into chunks and waits while the queue is full.
struct Sink {
    chunk: BytesMut,
    sender: mpsc::Sender<io::Result<Bytes>>,
}

impl Sink {
    fn new(sender: mpsc::Sender<io::Result<Bytes>>) -> Self {
        Self { chunk: BytesMut::with_capacity(CHUNK), sender }
    }

    fn send(&mut self) -> io::Result<()> {
        let full = std::mem::replace(&mut self.chunk, BytesMut::with_capacity(CHUNK)).freeze();
        self.sender.blocking_send(Ok(full)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn finish(mut self) -> io::Result<()> {
        if self.chunk.is_empty() { Ok(()) } else { self.send() }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK.saturating_sub(self.chunk.len()).min(bytes.len());
        self.chunk.extend_from_slice(bytes.get(..room).unwrap_or_default());
        if self.chunk.len() >= CHUNK {
            self.send()?;
        }
        Ok(room)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::StreamExt;

    use super::*;

    struct Entry<'a>(tar::EntryType, &'a str, &'a str);

    /// A tar with whatever paths, also those that the tar crate refuses to write.
    fn archive(entries: &[Entry<'_>]) -> Vec<u8> {
        let mut out = tar::Builder::new(Vec::new());
        for Entry(kind, path, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_mode(0o755);
            header.set_mtime(7);
            let body = if kind.is_file() || kind.is_pax_global_extensions() { content.as_bytes() } else { &[] };
            if body.is_empty() && !content.is_empty() {
                header.as_gnu_mut().unwrap().linkname[..content.len()].copy_from_slice(content.as_bytes());
            }
            header.set_size(body.len() as u64);
            header.set_cksum();
            out.append(&header, body).unwrap();
        }
        out.into_inner().unwrap()
    }

    async fn filtered(tar: Vec<u8>, ignore: &str) -> (Vec<u8>, Result<Sent, ContextError>) {
        let ignore = Ignore::parse(ignore, &["Dockerfile"]).unwrap();
        let (stream, job) = filter(io::Cursor::new(tar), ignore);
        let chunks: Vec<_> = stream.filter_map(|chunk| async { chunk.ok() }).collect().await;
        (chunks.concat(), job.await.unwrap())
    }

    fn listing(tar: &[u8]) -> Vec<String> {
        let mut archive = tar::Archive::new(tar);
        archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let link = entry.link_name().unwrap().map(|to| format!(" -> {}", to.display())).unwrap_or_default();
                format!("{:o} {}{link}", entry.header().mode().unwrap(), entry.path().unwrap().display())
            })
            .collect()
    }

    use tar::EntryType::{Block, Char, Directory, Fifo, Link, Regular, Symlink, XGlobalHeader};

    #[tokio::test]
    async fn the_tree_passes_without_what_is_ignored() {
        let tar = archive(&[
            Entry(XGlobalHeader, "pax_global_header", "52 comment=0123456789012345678901234567890123456789\n"),
            Entry(Directory, "src/", ""),
            Entry(Regular, "src/a", "hello"),
            Entry(Regular, "secret", "x"),
            Entry(Symlink, "out", "/etc/passwd"),
            Entry(Link, "hard", "src/a"),
            Entry(Regular, "./Dockerfile", "FROM scratch"),
        ]);
        let (out, sent) = filtered(tar, "secret\nDockerfile").await;
        assert_eq!(
            listing(&out),
            ["755 src", "755 src/a", "755 out -> /etc/passwd", "755 hard -> src/a", "755 Dockerfile"]
        );
        assert_eq!(sent.unwrap(), Sent { entries: 5, ignored: 1, bytes: 17 });
    }

    #[tokio::test]
    async fn what_leads_out_of_the_tree_is_refused() {
        for (kind, path, content, reason) in [
            (Regular, "/etc/x", "", "absolute"),
            (Regular, "../x", "", "leads out"),
            (Regular, "a/../../x", "", "leads out"),
            (Link, "a", "../x", "leads out"),
            (Link, "a", "/etc/passwd", "absolute"),
            (Link, "a", "", "nowhere"),
            (Char, "a", "", "neither"),
            (Block, "a", "", "neither"),
            (Fifo, "a", "", "neither"),
        ] {
            let (_, outcome) = filtered(archive(&[Entry(kind, path, content)]), "").await;
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains(reason), "{path}: {error}");
        }
    }

    #[tokio::test]
    async fn long_names_and_targets_survive() {
        let name = format!("{}/{}", "d".repeat(120), "f".repeat(200));
        let target = "t".repeat(150);
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(1);
        tar.append_pax_extensions([("path", name.as_bytes())]).unwrap();
        header.set_path("short").unwrap();
        header.set_cksum();
        tar.append(&header, &b"x"[..]).unwrap();
        let mut link = tar::Header::new_gnu();
        link.set_entry_type(Symlink);
        link.set_mode(0o777);
        link.set_size(0);
        tar.append_link(&mut link, "link", &target).unwrap();
        let (out, sent) = filtered(tar.into_inner().unwrap(), "").await;
        assert_eq!(listing(&out), [format!("644 {name}"), format!("755 link -> {target}")]);
        assert_eq!(sent.unwrap().entries, 2);
    }

    #[tokio::test]
    async fn a_source_that_fails_at_its_end_fails_the_context() {
        let tar = archive(&[Entry(Regular, "a", "x")]);
        let source = tokio_util::io::StreamReader::new(futures_util::stream::iter([
            Ok(Bytes::from(tar)),
            Err(io::Error::other("git failed")),
        ]));
        let (stream, job) = filter(source, Ignore::parse("", &[]).unwrap());
        let chunks: Vec<_> = stream.collect().await;
        assert!(chunks.last().unwrap().is_err(), "the upload is broken off");
        assert!(matches!(job.await.unwrap(), Err(ContextError::Source(_))));
    }

    #[tokio::test]
    async fn dropping_the_stream_ends_the_filter_even_if_the_source_is_silent() {
        let (_writer, reader) = tokio::io::duplex(16);
        let (stream, job) = filter(reader, Ignore::parse("", &[]).unwrap());
        drop(stream);
        let ended = tokio::time::timeout(Duration::from_secs(5), job).await;
        assert!(ended.unwrap().unwrap().is_err());
    }

    #[tokio::test]
    async fn an_empty_tree_is_an_empty_archive() {
        let (out, sent) = filtered(archive(&[]), "").await;
        assert!(listing(&out).is_empty() && out.len() >= 1024);
        assert_eq!(sent.unwrap(), Sent::default());
    }
}
