//! What the kernel says of processes: time, memory, family.

use anyhow::{Context, Result};

/// In how many parts /proc tells a second (`USER_HZ`): the same on every architecture that slipway is built for.
const TICKS: f64 = 100.0;

/// A process and those that it started, as far as they live.
///
/// # Errors
/// If /proc cannot be read.
pub fn family(root: u32) -> Result<Vec<u32>> {
    let mut members = vec![root];
    let parents = parents()?;
    let mut index = 0;
    while let Some(parent) = members.get(index).copied() {
        members.extend(parents.iter().filter(|(_, its)| *its == parent).map(|(pid, _)| *pid));
        index += 1;
    }
    Ok(members)
}

/// Every process and its parent.
fn parents() -> Result<Vec<(u32, u32)>> {
    let entries = std::fs::read_dir("/proc").context("cannot read /proc")?;
    let pids = entries.map_while(Result::ok).filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    Ok(pids.filter_map(|pid| Some((pid, stat(pid)?.first()?.parse().ok()?))).collect())
}

/// The fields of `/proc/PID/stat` from the parent on; the name before it may contain spaces.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split(' ').skip(1).map(str::to_owned).collect())
}

/// Seconds of processor time that a process and its children used, those that are over included.
///
/// # Errors
/// If the process has gone.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    // utime, stime, cutime, cstime are the fields 14 to 17 of proc(5), and `stat` begins with the fourth
    const TIMES: std::ops::Range<usize> = 10..14;
    let fields = stat(pid).with_context(|| format!("process {pid} has gone"))?;
    let used: f64 = fields.iter().skip(TIMES.start).take(TIMES.len()).filter_map(|text| text.parse::<f64>().ok()).sum();
    Ok(used / TICKS)
}

/// The memory of a process and of those it started, in KiB, what they share counted once (`Pss` of smaps_rollup).
///
/// # Errors
/// If none of it can be read.
pub fn family_memory(root: u32) -> Result<f64> {
    let mut sum = 0.0;
    for pid in family(root)? {
        // one that ended meanwhile has no memory
        let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { continue };
        sum += field(&text, "Pss:").with_context(|| format!("process {pid} does not tell its memory"))?;
    }
    Ok(sum)
}

/// The resident memory of one process, in KiB.
///
/// # Errors
/// If it has gone.
pub fn resident(pid: u32) -> Result<f64> {
    let text =
        std::fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid} has gone"))?;
    field(&text, "VmRSS:").with_context(|| format!("process {pid} does not tell its memory"))
}

fn field(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_time_and_children() {
        let own = std::process::id();
        let mut child = std::process::Command::new("sleep").arg("5").spawn().unwrap();
        assert!(family(own).unwrap().contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(family_memory(own).unwrap() > 100.0 && resident(own).unwrap() > 100.0);
        assert!(cpu_seconds(own).unwrap() >= 0.0);
    }
}
