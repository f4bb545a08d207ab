//! CPU and memory.

use super::super::node::Node;
use super::super::problem::Problems;
use super::fields::Fields;
use super::values;
use crate::domain::app_spec::{Quantity, ResourceQuantities, Resources};

pub(super) fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<Resources> {
    let mut fields = Fields::open(node, path, problems);
    let resources = Resources {
        requests: fields.read("requests", read_quantities).unwrap_or_default(),
        limits: fields.read("limits", read_quantities).unwrap_or_default(),
    };
    fields.finish();
    values::note(resources.check_requests(), node, path, problems)?;
    Some(resources)
}

fn read_quantities(node: &Node, path: &str, problems: &mut Problems) -> Option<ResourceQuantities> {
    let mut fields = Fields::open(node, path, problems);
    let cpu = fields.read("cpu", values::parsed::<Quantity>);
    let memory = fields.read("memory", values::parsed::<Quantity>);
    fields.finish();
    Some(ResourceQuantities { cpu, memory })
}
