//! Processes as `/proc` shows them: whether they run or are stopped, and what they have started.

use std::collections::{BTreeMap, BTreeSet};

use procfs::process::{self, Process, Stat};

/// Start of a living process in clock ticks after boot. Together with the number it identifies a process for good.
pub(crate) fn started(pid: u32) -> Option<u64> {
    let stat = Process::new(pid.cast_signed()).ok()?.stat().ok()?;
    (!has_ended(&stat)).then_some(stat.starttime)
}

/// Whether a process of this number is alive.
pub(crate) fn is_alive(pid: u32) -> bool {
    started(pid).is_some()
}

/// Whether all threads of `pid` are stopped or have ended.
pub(crate) fn is_stopped(pid: u32) -> bool {
    let Ok(threads) = Process::new(pid.cast_signed()).and_then(|process| process.tasks()) else {
        return true;
    };
    let stats = threads.filter_map(|thread| thread.ok()?.stat().ok());
    stats.into_iter().all(|stat| matches!(stat.state, 'T' | 't') || has_ended(&stat))
}

/// Descendants of `pid`, without `pid` itself.
pub fn descendants(pid: u32) -> BTreeSet<u32> {
    let mut children = BTreeMap::<u32, Vec<u32>>::new();
    let stats = process::all_processes().into_iter().flatten().filter_map(|process| process.ok()?.stat().ok());
    for stat in stats {
        children.entry(stat.ppid.cast_unsigned()).or_default().push(stat.pid.cast_unsigned());
    }
    let mut found = BTreeSet::new();
    let mut open = vec![pid];
    while let Some(parent) = open.pop() {
        for &child in children.get(&parent).into_iter().flatten() {
            if found.insert(child) {
                open.push(child);
            }
        }
    }
    found
}

/// Whether the process holds no files, ports and memory any more. A zombie only waits until its exit status is read.
fn has_ended(stat: &Stat) -> bool {
    matches!(stat.state, 'Z' | 'X' | 'x')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_process_is_alive_and_not_stopped() {
        assert!(is_alive(std::process::id()));
        assert!(!is_stopped(std::process::id()));
    }
}
