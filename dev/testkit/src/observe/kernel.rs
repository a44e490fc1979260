//! What the kernel knows of a process: its memory, what it has not read yet, and how many files it may have.

use std::fs;

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process, and what it starts, have as many files open as the system allows.
pub fn raise_file_limit(needed: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    ensure!(
        limit.maximum.is_none_or(|maximum| maximum >= needed),
        "this needs {needed} open files: raise the hard limit (`ulimit -Hn`)"
    );
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).context("raising the limit of open files")
}

/// The most memory that a process ever had (`VmHWM`), in bytes.
pub fn memory_peak_bytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells the peak");
    let kibibytes = line.trim().strip_suffix("kB").expect("in kB").trim();
    kibibytes.parse::<u64>().expect("a number") * 1_024
}

/// The server's ends of connections to a port of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connections {
    /// How many are open.
    pub open: usize,
    /// Bytes that have arrived, but were not read by the server.
    pub unread_bytes: u64,
}

impl Connections {
    /// Looks at them.
    pub fn to(port: u16) -> Self {
        const ESTABLISHED: &str = "01";
        let table = fs::read_to_string("/proc/net/tcp").expect("a table of connections");
        let mut connections = Self { open: 0, unread_bytes: 0 };
        for line in table.lines().skip(1) {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            if fields[1].ends_with(&format!(":{port:04X}")) && fields[3] == ESTABLISHED {
                let (_, unread) = fields[4].split_once(':').expect("two queues");
                connections.open += 1;
                connections.unread_bytes += u64::from_str_radix(unread, 16).expect("a hexadecimal number");
            }
        }
        connections
    }
}
