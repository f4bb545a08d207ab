//! Processor time, memory and children of processes, read from /proc.

use anyhow::{Context, Result};

/// `USER_HZ`, the unit of times in /proc: the same on every architecture that slipway is built for.
const TICKS_PER_SECOND: f64 = 100.0;

/// The pids of a process and of its living descendants.
pub fn process_tree(root: u32) -> Result<Vec<u32>> {
    let mut members = vec![root];
    let parents = parents()?;
    let mut index = 0;
    while let Some(parent) = members.get(index).copied() {
        members.extend(parents.iter().filter(|(_, its)| *its == parent).map(|(pid, _)| *pid));
        index += 1;
    }
    Ok(members)
}

/// Every process as `(pid, parent)`.
fn parents() -> Result<Vec<(u32, u32)>> {
    let entries = std::fs::read_dir("/proc").context("cannot read /proc")?;
    let pids = entries.map_while(Result::ok).filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    Ok(pids.filter_map(|pid| Some((pid, stat_fields(pid)?.first()?.parse().ok()?))).collect())
}

/// The fields of `/proc/PID/stat` from `ppid` on. The name before it may contain spaces.
fn stat_fields(pid: u32) -> Option<Vec<String>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    Some(rest.split(' ').skip(1).map(str::to_owned).collect())
}

/// Processor seconds of a process and of its children that have been waited for.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    // utime, stime, cutime and cstime are fields 14 to 17 in proc(5); `stat_fields` begins with field 4
    const TIMES: std::ops::Range<usize> = 10..14;
    let fields = stat_fields(pid).with_context(|| format!("process {pid} has ended"))?;
    let used: f64 = fields.iter().skip(TIMES.start).take(TIMES.len()).filter_map(|text| text.parse::<f64>().ok()).sum();
    Ok(used / TICKS_PER_SECOND)
}

/// Proportional set size of a process and its descendants, in KiB: shared pages are counted once (`Pss` in smaps_rollup).
pub fn tree_pss_kib(root: u32) -> Result<f64> {
    let mut sum = 0.0;
    for pid in process_tree(root)? {
        // a process that has ended meanwhile uses no memory
        let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { continue };
        sum += kib_field(&text, "Pss:").with_context(|| format!("process {pid} has no Pss"))?;
    }
    Ok(sum)
}

/// Resident set size of one process, in KiB.
pub fn resident_kib(pid: u32) -> Result<f64> {
    let text =
        std::fs::read_to_string(format!("/proc/{pid}/status")).with_context(|| format!("process {pid} has ended"))?;
    kib_field(&text, "VmRSS:").with_context(|| format!("process {pid} has no VmRSS"))
}

fn kib_field(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_time_and_children() {
        let own = std::process::id();
        let mut child = std::process::Command::new("sleep").arg("5").spawn().unwrap();
        assert!(process_tree(own).unwrap().contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(tree_pss_kib(own).unwrap() > 100.0 && resident_kib(own).unwrap() > 100.0);
        assert!(cpu_seconds(own).unwrap() >= 0.0);
    }
}
