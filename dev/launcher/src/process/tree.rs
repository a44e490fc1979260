//! Processes in `/proc`: states, parents and start times.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// One process as `/proc/<pid>/stat` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) state: char,
    pub(crate) parent: u32,
    /// Start in clock ticks after boot. Together with the number it identifies a process for good.
    pub(crate) started: u64,
}

impl Stat {
    /// Reads a process; `None` if there is none of this number.
    pub(crate) fn read(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Whether the process holds files, ports or memory. A zombie only waits until its exit status is read.
    pub(crate) fn is_alive(self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }

    fn parse(line: &str) -> Option<Self> {
        // The name in parentheses may hold spaces and parentheses itself.
        let (_, fields) = line.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        let started = fields.nth(17)?.parse().ok()?;
        Some(Self { state, parent, started })
    }
}

/// Whether a process of this number is alive.
pub(crate) fn is_alive(pid: u32) -> bool {
    Stat::read(pid).is_some_and(Stat::is_alive)
}

/// Whether all threads of `pid` are stopped or have ended.
pub(crate) fn is_stopped(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return true;
    };
    let stats = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    stats.filter_map(|line| Stat::parse(&line)).all(|stat| matches!(stat.state, 'T' | 't') || !stat.is_alive())
}

/// Descendants of `pid`, without `pid` itself.
pub(crate) fn descendants(pid: u32) -> BTreeSet<u32> {
    let mut children = BTreeMap::<u32, Vec<u32>>::new();
    for child in all() {
        if let Some(stat) = Stat::read(child) {
            children.entry(stat.parent).or_default().push(child);
        }
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

/// The numbers of all processes.
pub(crate) fn all() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "42 (a) b) S 7 42 42 0 -1 4194560 1 0 0 0 3 4 0 0 20 0 1 0 8151 1000 10";
        let stat = Stat::parse(line).expect("a line as the kernel writes it");
        assert_eq!((stat.state, stat.parent, stat.started), ('S', 7, 8151));
    }

    #[test]
    fn the_own_process_is_alive_and_not_stopped() {
        assert!(is_alive(std::process::id()));
        assert!(!is_stopped(std::process::id()));
    }
}
