//! Private servers: their data in a folder of ours, on free ports of the loopback interface, dead when we are.

/// nats-server with JetStream.
pub mod nats;

/// Postgres.
pub mod postgres;

/// pgbouncer.
pub mod pgbouncer;

/// Prometheus.
pub mod prometheus;

/// nginx.
pub mod nginx;

use anyhow::{Result, bail};

use crate::process::Process;
use crate::ready::TAIL_LINES;

/// Ports are tried this often: a free port can be taken before the server has it, but not five times in a row.
const PORT_TRIES_MAX: u32 = 5;

/// Whether a server ended because somebody else had its port.
fn port_was_taken(process: &Process) -> bool {
    process.exit_status().is_some() && process.log_tail(TAIL_LINES).contains("ddress already in use")
}

/// Starts on the ports of last time, and on other ones if those are taken in the last moment. `None` from `start`
/// means just that.
async fn start_on_ports<const N: usize>(
    mut ports: [u16; N],
    start: impl AsyncFn([u16; N]) -> Result<Option<Process>>,
) -> Result<(Process, [u16; N])> {
    for _ in 0..PORT_TRIES_MAX {
        if let Some(process) = start(ports).await? {
            return Ok((process, ports));
        }
        ports = std::array::from_fn(|_| crate::ports::free());
    }
    bail!("{PORT_TRIES_MAX} times in a row, free ports were taken by somebody else")
}
