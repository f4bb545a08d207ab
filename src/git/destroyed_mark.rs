//! The mark of a repository whose app is being deleted: the repository goes when the namespace is gone, which may take longer
//! than the gateway's process lives.

use std::io;

use tokio::fs;

use super::error::GitError;
use super::repositories::Repositories;
use crate::domain::AppName;

/// A file in the repository.
const MARK: &str = "slipway-destroyed";

impl Repositories {
    /// Marks the repository of an app that is being deleted.
    ///
    /// # Errors
    /// When the mark cannot be written. Succeeds if there is no repository.
    pub async fn mark_destroyed(&self, app: &AppName) -> Result<(), GitError> {
        if !self.exists(app).await {
            return Ok(());
        }
        fs::write(self.path(app).join(MARK), "").await.map_err(GitError::io("mark the repository"))
    }

    /// # Errors
    /// When the mark cannot be removed.
    pub async fn unmark_destroyed(&self, app: &AppName) -> Result<(), GitError> {
        match fs::remove_file(self.path(app).join(MARK)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(GitError::io("remove the mark of the repository")(error))
            }
            _ => Ok(()),
        }
    }

    pub async fn is_destroyed(&self, app: &AppName) -> bool {
        fs::try_exists(self.path(app).join(MARK)).await.unwrap_or(false)
    }

    /// The apps whose repositories are marked as destroyed.
    ///
    /// # Errors
    /// When the directory of the repositories cannot be read.
    pub async fn list_destroyed(&self) -> Result<Vec<AppName>, GitError> {
        let list = async {
            let (mut apps, mut entries) = (Vec::new(), fs::read_dir(self.repos_dir()).await?);
            while let Some(entry) = entries.next_entry().await? {
                let name = entry.file_name();
                apps.extend(name.to_str().and_then(|name| name.strip_suffix(".git")?.parse::<AppName>().ok()));
            }
            Ok(apps)
        };
        let mut destroyed = Vec::new();
        for app in list.await.map_err(GitError::io("read the directory of the repositories"))? {
            if self.is_destroyed(&app).await {
                destroyed.push(app);
            }
        }
        Ok(destroyed)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[tokio::test]
    async fn a_destroyed_repository_is_found_by_its_mark() {
        let data = tempfile::tempdir().unwrap();
        let repositories = Repositories::open(data.path(), Path::new("/slipway")).await.unwrap();
        let app: AppName = "hello".parse().unwrap();
        repositories.mark_destroyed(&app).await.unwrap();
        repositories.get_or_create(&app).await.unwrap();
        repositories.get_or_create(&"other".parse().unwrap()).await.unwrap();
        assert_eq!(repositories.list_destroyed().await.unwrap(), []);
        repositories.mark_destroyed(&app).await.unwrap();
        assert_eq!(repositories.list_destroyed().await.unwrap(), std::slice::from_ref(&app));
        repositories.unmark_destroyed(&app).await.unwrap();
        repositories.unmark_destroyed(&app).await.unwrap();
        assert!(!repositories.is_destroyed(&app).await);
    }
}
