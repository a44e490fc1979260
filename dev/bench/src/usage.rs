//! CPU time and memory of processes, as `/proc` tells them.

use std::fs;

use anyhow::{Context, Result};

/// CPU seconds of a process and everything below it, living and waited for.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let root = Stat::of(pid)?;
    let mut ticks = root.ticks + root.ticks_of_ended;
    let all = Stat::all();
    let mut above = vec![pid];
    while let Some(parent) = above.pop() {
        for child in all.iter().filter(|stat| stat.parent == parent) {
            ticks += child.ticks;
            above.push(child.pid);
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// The most memory that a process has had, in megabytes of 10^6 bytes.
pub(crate) fn peak_megabytes(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("reading a process's status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no peak of memory")?;
    let kibibytes: f64 = peak.trim().trim_end_matches(" kB").parse().context("a peak of memory")?;
    Ok(kibibytes * 1024.0 / 1e6)
}

/// One process in `/proc`.
struct Stat {
    pid: u32,
    parent: u32,
    ticks: u64,
    ticks_of_ended: u64,
}

impl Stat {
    fn of(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} is gone"))?;
        // The name stands in parentheses, and may contain anything.
        let (_, fields) = text.rsplit_once(") ").context("a process without a name")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        let parent = u32::try_from(number(1)).unwrap_or(0);
        Ok(Self { pid, parent, ticks: number(11) + number(12), ticks_of_ended: number(13) + number(14) })
    }

    fn all() -> Vec<Self> {
        let Ok(entries) = fs::read_dir("/proc") else { return vec![] };
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter_map(|pid| Self::of(pid).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let begun = std::time::Instant::now();
        while begun.elapsed() < std::time::Duration::from_millis(50) {}
        assert!(cpu_seconds(std::process::id()).expect("it lives") > 0.0);
        assert!(peak_megabytes(std::process::id()).expect("it lives") > 1.0);
    }
}
