//! Automatic scaling.

use super::super::node::Node;
use super::super::problem::Problems;
use super::fields::Fields;
use super::values;
use crate::domain::app_spec::Autoscale;

pub(super) fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<Autoscale> {
    let mut fields = Fields::open(node, path, problems);
    let pods = || values::number(1..=1000, "number of pods");
    let percent = || values::number(1..=1000, "percentage");
    let (min, max) = (fields.read("min", pods()).unwrap_or(1), fields.read("max", pods()));
    let (cpu, memory) = (fields.read("cpu", percent()), fields.read("memory", percent()));
    fields.finish();
    let range = match max {
        None => Err("max, the largest number of pods, is missing".to_owned()),
        Some(max) if max < min => Err(format!("max ({max}) is below min ({min})")),
        Some(max) => Ok(max),
    };
    let max = values::note(range, node, path, problems)?;
    let cpu = if cpu.is_none() && memory.is_none() { Some(80) } else { cpu };
    Some(Autoscale { min, max, cpu, memory })
}
