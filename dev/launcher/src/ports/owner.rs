//! Process that listens on a port, as far as `/proc` shows it to this user.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::process::tree;

/// State of a listening socket in `/proc/net/tcp`.
const LISTEN: &str = "0A";

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
        tree::all().into_iter().find(|&pid| holds(pid, &sockets)).map(|pid| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            Self { pid, name: name.trim_end().to_owned() }
        })
    }
}

/// Whether `pid` listens on this port.
pub(super) fn owns(pid: u32, port: u16) -> bool {
    holds(pid, &listening(port))
}

/// The links under `/proc/<pid>/fd` of the sockets that listen on this port.
fn listening(port: u16) -> Vec<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let lines = tables.iter().flat_map(|table| table.lines().skip(1));
    lines.filter_map(|line| socket_of(line, port)).collect()
}

fn socket_of(line: &str, port: u16) -> Option<String> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
    let is_wanted = *fields.get(3)? == LISTEN && u16::from_str_radix(local_port, 16) == Ok(port);
    is_wanted.then(|| fields.get(9).map(|inode| format!("socket:[{inode}]")))?
}

fn holds(pid: u32, sockets: &[String]) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    files
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .any(|link| sockets.iter().any(|socket| socket.as_bytes() == link.as_os_str().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_listening_socket_of_the_port_counts() {
        let listening = "   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 4711 1 0 100";
        let connected = "   1: 0100007F:0BB8 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  0 0 4712 1 0 100";
        assert_eq!(socket_of(listening, 3000), Some("socket:[4711]".to_owned()));
        assert_eq!(socket_of(listening, 3001), None);
        assert_eq!(socket_of(connected, 3000), None);
    }
}
