//! Admin keys from a directory of public key files, which bootstrap an installation.

use std::path::{Path, PathBuf};

use tokio::io::AsyncReadExt;

use super::error::{BootstrapError, KeysError};
use super::limits::MAX_UPLOAD_BYTES;
use super::parse::{AuthorizedKey, parse_authorized_keys};
use super::store::KeyStore;
use crate::auth::{Role, UploadGrant};
use crate::domain::UserName;

impl KeyStore {
    /// Stores the keys in the `*.pub` files of a directory as admin keys; the file name without `.pub` is the user.
    /// Returns how many keys were new. A directory that does not exist counts as empty.
    ///
    /// # Errors
    /// [`KeysError::Bootstrap`] names the first file that cannot be used, before any key is stored; [`KeysError`].
    pub async fn bootstrap_admins(&self, directory: &Path) -> Result<usize, KeysError> {
        let mut added = 0;
        for (user, keys) in read_directory(directory).await? {
            added += self.add(&UploadGrant::from_operator(user, Role::Admin), &keys).await?.added.len();
        }
        Ok(added)
    }
}

async fn read_directory(directory: &Path) -> Result<Vec<(UserName, Vec<AuthorizedKey>)>, KeysError> {
    let mut admins = Vec::new();
    for file in list_public_keys(directory).await.map_err(|error| bootstrap_error(directory, error.into()))? {
        admins.push(read_file(&file).await.map_err(|error| bootstrap_error(&file, error))?);
    }
    Ok(admins)
}

async fn list_public_keys(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut entries = match tokio::fs::read_dir(directory).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    while let Some(entry) = entries.next_entry().await? {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "pub") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

async fn read_file(path: &Path) -> Result<(UserName, Vec<AuthorizedKey>), BootstrapError> {
    let user = path.file_stem().unwrap_or_default().to_string_lossy().parse()?;
    let mut content = Vec::new();
    let limit = MAX_UPLOAD_BYTES as u64 + 1;
    tokio::fs::File::open(path).await?.take(limit).read_to_end(&mut content).await?;
    if content.len() > MAX_UPLOAD_BYTES {
        return Err(BootstrapError::TooLarge);
    }
    Ok((user, parse_authorized_keys(&content)?))
}

fn bootstrap_error(path: &Path, error: BootstrapError) -> KeysError {
    KeysError::Bootstrap { file: path.file_name().unwrap_or(path.as_os_str()).to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::super::testing::key;
    use super::*;

    #[tokio::test]
    async fn each_public_key_file_yields_an_admin() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("README.md"), "not a key").unwrap();
        std::fs::write(directory.path().join("bob.pub"), key(2).line()).unwrap();
        std::fs::write(directory.path().join("alice.pub"), format!("{}\n{}\n", key(1).line(), key(3).line())).unwrap();
        let admins = read_directory(directory.path()).await.unwrap();
        let summary: Vec<_> = admins.iter().map(|(user, keys)| (user.as_str(), keys.len())).collect();
        assert_eq!(summary, [("alice", 2), ("bob", 1)]);
        assert!(read_directory(&directory.path().join("missing")).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_error_names_the_file_that_cannot_be_used() {
        for (file, content) in [
            ("alice.pub", "rubbish"),
            ("-x.pub", key(1).line()),
            ("empty.pub", ""),
            ("large.pub", &"#".repeat(MAX_UPLOAD_BYTES + 1)),
        ] {
            let directory = tempfile::tempdir().unwrap();
            std::fs::write(directory.path().join(file), content).unwrap();
            let error = read_directory(directory.path()).await.unwrap_err();
            assert!(error.to_string().contains(file), "{error}");
        }
    }
}
