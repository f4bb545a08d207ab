//! `slipway dockerfile`: the Dockerfile that a push of a directory would be built with.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::build::{NoDockerfile, find_dockerfile};
use crate::stacks::{self, RepositoryFiles, StackError, StackSettings};

/// The largest file that is read, as in a push. In bytes.
const MAX_FILE_LEN: u64 = 1 << 20;

#[derive(Debug, thiserror::Error)]
pub enum DockerfileError {
    #[error("{}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} has more than {MAX_FILE_LEN} bytes", .0.display())]
    TooLarge(PathBuf),
    #[error(transparent)]
    NoDockerfile(#[from] NoDockerfile),
    #[error(transparent)]
    Stack(#[from] StackError),
}

/// A Dockerfile, and lines about how it was made.
pub struct FoundDockerfile {
    pub text: String,
    pub announcement: Vec<String>,
}

/// The directory's own Dockerfile, or a generated one.
///
/// # Errors
/// [`DockerfileError`]; most are about the directory's content.
pub fn find(dir: &Path, settings: &StackSettings) -> Result<FoundDockerfile, DockerfileError> {
    let names = list(dir)?;
    if let Some(name) = find_dockerfile(&names) {
        let text = String::from_utf8_lossy(&read(&dir.join(name))?).into_owned();
        return Ok(FoundDockerfile { text, announcement: Vec::new() });
    }
    let wanted = stacks::files_to_read(&names).into_iter().filter(|name| dir.join(name).is_file());
    let contents = wanted.map(|name| Ok((name.clone(), read(&dir.join(name))?)));
    let contents = contents.collect::<Result<Vec<_>, DockerfileError>>()?;
    let plan = stacks::detect(&RepositoryFiles::new(names.clone(), contents))?;
    let plan = plan.ok_or_else(|| NoDockerfile::new(similar_names(&names), stacks::looked_for()))?;
    Ok(FoundDockerfile { text: stacks::generate_dockerfile(&plan, settings)?, announcement: plan.announcement() })
}

fn list(dir: &Path) -> Result<Vec<String>, DockerfileError> {
    let error = |source| DockerfileError::Read { path: dir.to_owned(), source };
    let entries = std::fs::read_dir(dir).map_err(error)?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<io::Result<Vec<_>>>().map_err(error)?;
    names.sort();
    Ok(names)
}

fn read(path: &Path) -> Result<Vec<u8>, DockerfileError> {
    let mut content = Vec::new();
    let file = std::fs::File::open(path).and_then(|file| file.take(MAX_FILE_LEN + 1).read_to_end(&mut content));
    match file {
        Err(source) => Err(DockerfileError::Read { path: path.to_owned(), source }),
        Ok(len) if len as u64 > MAX_FILE_LEN => Err(DockerfileError::TooLarge(path.to_owned())),
        Ok(_) => Ok(content),
    }
}

fn similar_names(names: &[String]) -> Vec<String> {
    let is_similar =
        |name: &&String| crate::build::SIMILAR_NAMES.iter().any(|similar| name.eq_ignore_ascii_case(similar));
    names.iter().filter(is_similar).cloned().collect()
}
