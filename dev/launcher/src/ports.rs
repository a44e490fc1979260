//! Free ports on the loopback interface, and the owner of one that is taken.

mod owner;

use std::collections::BTreeSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};
use rand::Rng;

use owner::Owner;

/// Range of ports for servers, below the ephemeral ports of the kernel. A server that is down for a moment could otherwise
/// lose its port to a client that connects to it.
const RANGE: Range<u16> = 20_000..32_000;

/// Maximum ports that are tried: with half of them taken, all fail once in 10^30.
const TRIES_MAX: u32 = 100;

/// A free port that this function has not returned before. It is not reserved: another process may take it meanwhile.
///
/// # Panics
///
/// Nearly all ports are taken.
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

/// Whether no process listens on this port.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Whether `pid` listens on this port.
pub fn is_owned_by(port: u16, pid: u32) -> bool {
    owner::owns(pid, port)
}

/// The ports in the file `path` if they are all free, else new ones.
pub(crate) fn load<const N: usize>(path: &Path) -> [u16; N] {
    let text = fs::read_to_string(path).unwrap_or_default();
    let ports: Vec<u16> = text.lines().filter_map(|line| line.parse().ok()).collect();
    match <[u16; N]>::try_from(ports) {
        Ok(ports) if ports.iter().all(|&port| is_free(port)) => ports,
        _ => std::array::from_fn(|_| free()),
    }
}

/// Stores ports for [`load`].
pub(crate) fn store(path: &Path, ports: &[u16]) -> Result<()> {
    let lines: Vec<String> = ports.iter().map(u16::to_string).collect();
    fs::write(path, lines.join("\n")).with_context(|| format!("writing {}", path.display()))
}

/// Checks that a port is free.
///
/// # Errors
///
/// The port is taken; the message names its owner, and the `option` that selects another port.
pub fn require_free(port: u16, option: &str) -> Result<()> {
    if is_free(port) {
        return Ok(());
    }
    let owner = match Owner::find(port) {
        Some(owner) => format!("held by {} (process {})", owner.name, owner.pid),
        None => "held by a process of another user".to_owned(),
    };
    bail!("Port {port} is {owner}: stop that process, or choose another port with {option}.")
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
    fn stored_ports_come_back_while_they_are_free() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("ports");
        let first: [u16; 2] = load(&path);
        store(&path, &first).expect("a file");
        assert_eq!(load::<2>(&path), first);

        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, first[1])).expect("a free port");
        assert_ne!(load::<2>(&path), first);
    }

    #[test]
    fn a_taken_port_is_reported_with_its_owner() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let sentence = require_free(port, "--ingest-port").expect_err("it is taken").to_string();
        let process = format!("(process {})", std::process::id());
        assert!(sentence.contains(&process) && sentence.contains("--ingest-port"), "{sentence}");
    }
}
