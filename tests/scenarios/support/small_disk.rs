//! Small file systems, to fill them up.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::run;

/// A tmpfs. It is unmounted when the value is dropped.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts a file system on an existing directory, with further mount options such as `uid=1,gid=1`.
    pub fn mount(path: &Path, mebibytes: u32, options: &str) -> Self {
        let options = format!("size={mebibytes}m,{options}");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", options.trim_end_matches(','), "tmpfs"]).arg(path));
        Self(path.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
