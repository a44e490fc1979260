//! What the kernel knows of a process: its memory, what it has not read yet, and how many files it may have.

use anyhow::{Context, Result, ensure};
use procfs::net::{self, TcpState};
use procfs::process::Process;
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
    let status = Process::new(pid.cast_signed()).and_then(|process| process.status()).expect("the process runs");
    status.vmhwm.expect("the kernel tells the peak") * 1_024
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
        let mut open = net::tcp().expect("a table of connections");
        open.retain(|end| end.local_address.port() == port && end.state == TcpState::Established);
        Self { open: open.len(), unread_bytes: open.iter().map(|end| u64::from(end.rx_queue)).sum() }
    }
}
