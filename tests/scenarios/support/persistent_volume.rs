//! Persistent volumes, since the tests' cluster may have no provisioner.

use std::path::Path;

use super::kubectl;

/// A volume on the node's disk. It is deleted when the value is dropped; its directory is not.
pub struct PersistentVolume(String);

impl PersistentVolume {
    /// Creates a volume that only this claim can be bound to.
    pub fn for_claim(name: &str, namespace: &str, claim: &str, size: &str, path: &Path) -> Self {
        let manifest = include_str!("../fixtures/persistent-volume.yaml")
            .replace("NAME", name)
            .replace("SPACE", namespace)
            .replace("CLAIM", claim)
            .replace("SIZE", size)
            .replace("PATH", &path.display().to_string());
        kubectl::apply(&manifest);
        Self(name.to_owned())
    }
}

impl Drop for PersistentVolume {
    fn drop(&mut self) {
        kubectl::delete_in_background("persistentvolume", &self.0);
    }
}
