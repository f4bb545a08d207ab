//! A helm chart that is equivalent to slipway's templates, and a check that both render the same objects.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::process::Command;

use crate::command::{command, run};
use crate::environment::BenchEnv;

const FILES: [(&str, &str); 5] = [
    ("Chart.yaml", include_str!("../chart/Chart.yaml")),
    ("templates/_helpers.tpl", include_str!("../chart/templates/_helpers.tpl")),
    ("templates/deployment.yaml", include_str!("../chart/templates/deployment.yaml")),
    ("templates/service.yaml", include_str!("../chart/templates/service.yaml")),
    ("templates/NOTES.txt", include_str!("../chart/templates/NOTES.txt")),
];

/// A helm chart in a directory.
pub struct HelmChart(PathBuf);

impl HelmChart {
    /// Writes the chart's files, with the values for the cluster.
    pub fn write(env: &BenchEnv, dir: &Path) -> Result<Self> {
        std::fs::create_dir_all(dir.join("templates")).context("cannot make a chart's directory")?;
        for (name, text) in FILES {
            std::fs::write(dir.join(name), text).with_context(|| format!("cannot write {name}"))?;
        }
        let period = if env.kube_version.probes_readiness_after_startup() { 5 } else { 1 };
        let values = format!("{}readinessPeriodSeconds: {period}\n", include_str!("../chart/values.yaml"));
        std::fs::write(dir.join("values.yaml"), values).context("cannot write values.yaml")?;
        Ok(Self(dir.to_owned()))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// `helm template` for an app.
    pub fn template(&self, app: &str, image: &str) -> Command {
        let mut helm = command("helm");
        helm.args(["template", app]).arg(&self.0).args(["--namespace", app, "--set-string", &format!("image={image}")]);
        helm
    }

    /// Fails unless both charts render the same objects.
    pub async fn check_same_objects(&self, env: &BenchEnv, app: &str, image: &str) -> Result<()> {
        let ours = run(&mut env.render_command(app, image)).await?;
        let theirs = run(&mut self.template(app, image)).await?;
        let (ours, theirs) = (parse_objects(&ours)?, parse_objects(&theirs)?);
        if ours != theirs {
            bail!("the charts render different objects:\n{}\n{}", Value::from(ours), Value::from(theirs));
        }
        Ok(())
    }
}

/// Parses rendered objects and sorts them by kind. Namespaces and `meta.helm.sh/` annotations are dropped, which helm adds
/// only when it installs.
fn parse_objects(text: &str) -> Result<Vec<Value>> {
    let mut objects: Vec<Value> = serde_yaml::from_multiple(text).context("the rendered chart is not YAML")?;
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
    fn metadata_that_helm_adds_at_install_is_ignored() {
        let ours = "kind: B\n---\nkind: A\nmetadata: {namespace: x, annotations: {meta.helm.sh/release-name: x}}\n";
        assert_eq!(parse_objects(ours).unwrap(), parse_objects("kind: A\nmetadata: {}\n---\nkind: B\n").unwrap());
        assert_ne!(parse_objects(ours).unwrap(), parse_objects("kind: A\n").unwrap());
    }
}
