//! The first admins: files of public keys that are read at start.

use std::path::{Path, PathBuf};

use tokio::io::AsyncReadExt;

use super::error::{KeysError, SeedProblem};
use super::grant::{Role, UploadGrant};
use super::parse::{self, AuthorizedKey, MAX_UPLOAD};
use super::store::KeyStore;
use crate::domain::UserName;

impl KeyStore {
    /// Stores the keys in `*.pub` as keys of admins; a file's name without `.pub` is the user.
    /// How many keys were new. A directory that does not exist holds none.
    ///
    /// # Errors
    /// [`KeysError::Seed`] names the first file that can't be used; then nothing was stored.
    pub async fn seed_admins(&self, directory: &Path) -> Result<usize, KeysError> {
        let mut new = 0;
        for (user, keys) in read_directory(directory).await? {
            new += self.add(&UploadGrant::by_operator(user, Role::Admin), &keys).await?.new.len();
        }
        Ok(new)
    }
}

async fn read_directory(directory: &Path) -> Result<Vec<(UserName, Vec<AuthorizedKey>)>, KeysError> {
    let mut admins = Vec::new();
    for file in public_keys(directory).await.map_err(|error| problem(directory, error.into()))? {
        admins.push(read_file(&file).await.map_err(|error| problem(&file, error))?);
    }
    Ok(admins)
}

async fn public_keys(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
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

async fn read_file(path: &Path) -> Result<(UserName, Vec<AuthorizedKey>), SeedProblem> {
    let user = path.file_stem().unwrap_or_default().to_string_lossy().parse()?;
    let mut content = Vec::new();
    let limit = MAX_UPLOAD as u64 + 1;
    tokio::fs::File::open(path).await?.take(limit).read_to_end(&mut content).await?;
    if content.len() > MAX_UPLOAD {
        return Err(SeedProblem::TooLarge);
    }
    Ok((user, parse::parse(&content)?))
}

fn problem(path: &Path, problem: SeedProblem) -> KeysError {
    KeysError::Seed { file: path.file_name().unwrap_or(path.as_os_str()).to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use super::super::testing::key;
    use super::*;

    #[tokio::test]
    async fn each_file_is_an_admin() {
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
    async fn a_file_that_can_not_be_used_is_named() {
        for (file, content) in [
            ("alice.pub", "rubbish"),
            ("-x.pub", key(1).line()),
            ("empty.pub", ""),
            ("large.pub", &"#".repeat(MAX_UPLOAD + 1)),
        ] {
            let directory = tempfile::tempdir().unwrap();
            std::fs::write(directory.path().join(file), content).unwrap();
            let error = read_directory(directory.path()).await.unwrap_err();
            assert!(error.to_string().contains(file), "{error}");
        }
    }
}
