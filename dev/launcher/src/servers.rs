//! Private servers: with their data in a folder of the caller, on free ports of the loopback interface, and killed when this
//! process dies.

pub mod nats;
pub mod postgres;

use anyhow::{Result, bail};

use crate::ports;
use crate::process::Process;
use crate::process::ready::{self, TAIL_LINES};

/// Maximum ports that are tried: a free port can be taken before the server binds it, but not five times in a row.
const PORT_TRIES_MAX: u32 = 5;

/// Whether a server has ended because another process had its port.
pub fn port_was_taken(process: &Process) -> bool {
    process.exit_status().is_some() && process.log_tail(TAIL_LINES).contains("already in use")
}

/// Starts a server on `ports`, and on other ones if those are taken in the last moment, in which case `start` returns `None`.
pub async fn start_on_ports<const N: usize>(
    mut ports: [u16; N],
    start: impl AsyncFn([u16; N]) -> Result<Option<Process>>,
) -> Result<(Process, [u16; N])> {
    for _ in 0..PORT_TRIES_MAX {
        if let Some(process) = start(ports).await? {
            return Ok((process, ports));
        }
        ports = std::array::from_fn(|_| ports::free());
    }
    bail!("{PORT_TRIES_MAX} times in a row, free ports were taken by another process")
}

/// Waits until a server answers at `url`; `None` if its port was taken.
pub async fn answering(process: Process, port: u16, url: &str) -> Result<Option<Process>> {
    let client = ready::client()?;
    // If the port was taken, another server may answer at the same address.
    let is_ready = async || ready::answers(&client, url).await && ports::is_owned_by(port, process.pid());
    match ready::wait_for(&process, is_ready).await {
        Err(_) if port_was_taken(&process) => Ok(None),
        outcome => outcome.map(|()| Some(process)),
    }
}
