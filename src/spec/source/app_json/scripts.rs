//! `scripts`: commands around a deploy.

use super::super::super::node::{Entry, Node};
use super::super::super::problem::Problems;

/// `dokku.predeploy` runs with the new image before the pods are replaced, as the release phase does.
pub(super) fn translate(scripts: &Node, root: &mut Node, problems: &mut Problems) {
    for Entry { key, key_origin, value } in scripts.entries() {
        match key.as_str() {
            "dokku" => translate_dokku(value, root, problems),
            _ => problems.warn(key_origin, format!("scripts.{key} is not run by slipway")),
        }
    }
}

fn translate_dokku(dokku: &Node, root: &mut Node, problems: &mut Problems) {
    for Entry { key, key_origin, value } in dokku.entries() {
        match key.as_str() {
            "predeploy" => root.set(&["predeploy"], value.clone()),
            _ => problems.warn(key_origin, format!("scripts.dokku.{key} is not run by slipway")),
        }
    }
}
