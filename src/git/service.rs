//! The git services that a client can ask for.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitService {
    /// The server's side of `git push`.
    ReceivePack,
    /// The server's side of `git fetch` and `git clone`.
    UploadPack,
    /// The server's side of `git archive --remote`.
    UploadArchive,
}

impl GitService {
    pub(super) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::ReceivePack => &["receive-pack"],
            // Without --strict, upload-pack would also try the path with `.git` appended.
            Self::UploadPack => &["upload-pack", "--strict"],
            Self::UploadArchive => &["upload-archive"],
        }
    }
}
