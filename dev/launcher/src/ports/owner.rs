//! Process that listens on a port, as far as `/proc` shows it to this user.

use procfs::net::{self, TcpState};
use procfs::process::{self, FDTarget, Process};

/// Process that owns a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) pid: u32,
    pub(crate) name: String,
}

impl Owner {
    /// Finds the owner; `None` if there is none, or it is a process of another user, whose files are not shown.
    pub(crate) fn find(port: u16) -> Option<Self> {
        let sockets = listening(port);
        if sockets.is_empty() {
            return None;
        }
        let owner = process::all_processes().ok()?.flatten().find(|process| holds(process, &sockets))?;
        Some(Self { pid: owner.pid.cast_unsigned(), name: owner.stat().map(|stat| stat.comm).unwrap_or_default() })
    }
}

/// Whether `pid` listens on this port.
pub(super) fn owns(pid: u32, port: u16) -> bool {
    Process::new(pid.cast_signed()).is_ok_and(|process| holds(&process, &listening(port)))
}

/// Inodes of the sockets that listen on this port.
fn listening(port: u16) -> Vec<u64> {
    let sockets = [net::tcp(), net::tcp6()].into_iter().flatten().flatten();
    let wanted = sockets.filter(|socket| socket.state == TcpState::Listen && socket.local_address.port() == port);
    wanted.map(|socket| socket.inode).collect()
}

fn holds(process: &Process, sockets: &[u64]) -> bool {
    let is_wanted = |target| matches!(target, FDTarget::Socket(inode) if sockets.contains(&inode));
    process.fd().is_ok_and(|files| files.flatten().any(|file| is_wanted(file.target)))
}
