//! The app chart as one would write it for helm, and whether it gives the same objects as slipway's.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use crate::program::{command, run};
use crate::world::World;

const FILES: [(&str, &str); 6] = [
    ("Chart.yaml", include_str!("../chart/Chart.yaml")),
    ("values.yaml", include_str!("../chart/values.yaml")),
    ("templates/_helpers.tpl", include_str!("../chart/templates/_helpers.tpl")),
    ("templates/deployment.yaml", include_str!("../chart/templates/deployment.yaml")),
    ("templates/service.yaml", include_str!("../chart/templates/service.yaml")),
    ("templates/NOTES.txt", include_str!("../chart/templates/NOTES.txt")),
];

/// A chart of helm's on disk.
pub struct HelmChart(PathBuf);

impl HelmChart {
    /// Writes it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir.join("templates")).context("cannot make a chart's directory")?;
        for (name, text) in FILES {
            std::fs::write(dir.join(name), text).with_context(|| format!("cannot write {name}"))?;
        }
        Ok(Self(dir.to_owned()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// `helm template` for an app.
    pub fn template(&self, app: &str, image: &str) -> Command {
        let mut helm = command("helm");
        helm.args(["template", app]).arg(&self.0).args(["--namespace", app, "--set-string", &format!("image={image}")]);
        helm
    }

    /// Sees to it that both charts give the same objects.
    ///
    /// # Errors
    /// If they do not, or a program fails.
    pub async fn check_equal(&self, world: &World, app: &str, image: &str) -> Result<()> {
        let ours = run(command(&world.program).args(["render", "--app", app, "--image", image])).await?;
        let theirs = run(&mut self.template(app, image)).await?;
        let (ours, theirs) = (objects(&ours)?, objects(&theirs)?);
        if ours != theirs {
            bail!("the charts differ:\n{}\n{}", Value::from(ours), Value::from(theirs));
        }
        Ok(())
    }
}

/// The objects of a text, by kind, without what helm adds only when it installs them.
fn objects(text: &str) -> Result<Vec<Value>> {
    let mut objects: Vec<Value> = serde_yaml::from_multiple(text).context("what was rendered is no YAML")?;
    for object in &mut objects {
        let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { continue };
        metadata.remove("namespace");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.retain(|key, _| !key.starts_with("meta.helm.sh/"));
        }
        if metadata.get("annotations").is_some_and(|annotations| *annotations == serde_json::json!({})) {
            metadata.remove("annotations");
        }
    }
    objects.sort_by_key(|object| object.get("kind").map(ToString::to_string));
    Ok(objects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helm_adds_later_is_no_difference() {
        let ours = "kind: B\n---\nkind: A\nmetadata: {namespace: x, annotations: {meta.helm.sh/release-name: x}}\n";
        assert_eq!(objects(ours).unwrap(), objects("kind: A\nmetadata: {}\n---\nkind: B\n").unwrap());
        assert_ne!(objects(ours).unwrap(), objects("kind: A\n").unwrap());
    }
}
