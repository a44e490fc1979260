//! Free ports on the loopback interface, and who holds one that is not free.

/// Who listens on a port.
mod holder;

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use rand::Rng;

pub(crate) use holder::Holder;

/// Below the range from which the kernel takes the ports of clients. A server that is down for a moment would otherwise
/// lose its port to a client that is connecting to it.
const RANGE: Range<u16> = 20_000..32_000;

/// Ports tried before giving up: with half of them taken, all tries fail once in 10^30.
const TRIES_MAX: u32 = 100;

/// A port that nobody listens on, and that this process was not given before.
///
/// It is not reserved: who starts a server on it must be ready to find it taken.
///
/// # Panics
///
/// When nearly all ports are taken.
pub fn free() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().expect("nothing panics under this lock but a machine without ports");
    let mut candidates = (0..TRIES_MAX).map(|_| rand::rng().random_range(RANGE));
    let port = candidates
        .find(|&port| !given.contains(&port) && is_free(port))
        .expect("one of a hundred ports is free on any machine that can still work");
    given.insert(port);
    port
}

/// Whether nobody listens on this port.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Whether `pid` listens on this port.
pub(crate) fn is_held_by(port: u16, pid: u32) -> bool {
    holder::holds_port(pid, port)
}

/// The ports that `path` remembers if they are all free, else new ones.
pub(crate) fn remembered<const N: usize>(path: &Path) -> [u16; N] {
    let text = fs::read_to_string(path).unwrap_or_default();
    let ports: Vec<u16> = text.lines().filter_map(|line| line.parse().ok()).collect();
    match <[u16; N]>::try_from(ports) {
        Ok(ports) if ports.iter().all(|&port| is_free(port)) => ports,
        _ => std::array::from_fn(|_| free()),
    }
}

/// Keeps ports for [`remembered`].
pub(crate) fn remember(path: &Path, ports: &[u16]) -> Result<()> {
    let lines: Vec<String> = ports.iter().map(u16::to_string).collect();
    fs::write(path, lines.join("\n")).with_context(|| format!("writing {}", path.display()))
}

/// Refuses to go on when the port is taken.
///
/// # Errors
///
/// One sentence that says who holds it and what `option` chooses another.
pub fn require_free(port: u16, option: &str) -> Result<()> {
    if is_free(port) {
        return Ok(());
    }
    let holder = match Holder::find(port) {
        Some(holder) => format!("held by {} (process {})", holder.name, holder.pid),
        None => "held by a process of another user".to_owned(),
    };
    bail!("Port {port} is {holder}: stop that process, or choose another port with {option}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_ports_differ() {
        let ports: BTreeSet<u16> = (0..50).map(|_| free()).collect();
        assert_eq!(ports.len(), 50);
    }

    #[test]
    fn remembered_ports_come_back_while_they_are_free() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("ports");
        let first: [u16; 2] = remembered(&path);
        remember(&path, &first).expect("a file");
        assert_eq!(remembered::<2>(&path), first);

        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, first[1])).expect("a free port");
        assert_ne!(remembered::<2>(&path), first);
    }

    #[test]
    fn a_taken_port_is_told_with_its_holder() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let sentence = require_free(port, "--ingest-port").expect_err("it is taken").to_string();
        let process = format!("(process {})", std::process::id());
        assert!(sentence.contains(&process) && sentence.contains("--ingest-port"), "{sentence}");
    }
}
