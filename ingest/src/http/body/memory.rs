//! Memory that bodies share. A quarter is reserved for small bodies, so that single events find room however many batches
//! arrive. The large bodies of one client, by its address and by its key, have at most half of all.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use service::ApiError;

/// Maximum bytes of a small body; every single event fits.
pub const SMALL_BODY_BYTES_MAX: usize = 40 << 10;

/// The memory of all bodies.
#[derive(Debug)]
pub(super) struct Memory {
    bytes_max: usize,
    amounts: Mutex<Amounts>,
}

#[derive(Debug, Default)]
struct Amounts {
    bytes: usize,
    large_bytes: usize,
    /// Bytes of large bodies by client.
    large_bytes_by_client: HashMap<Owner, usize>,
}

/// Identity of a client for its share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// The address, or the network that counts as one.
    Network(IpAddr),
    /// The id of the key.
    Key(String),
}

/// Memory of one body, freed when it is dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    memory: Arc<Memory>,
    owners: Vec<Owner>,
    bytes: usize,
}

impl Memory {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, amounts: Mutex::default() }
    }

    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    pub(super) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    fn large_bytes_max(&self) -> usize {
        self.bytes_max / 4 * 3
    }

    /// Maximum of one client. The largest batch fits, packed and unpacked, even with the smallest memory that may be
    /// configured.
    fn client_bytes_max(&self) -> usize {
        self.bytes_max / 2
    }

    fn lock(&self) -> MutexGuard<'_, Amounts> {
        self.amounts.lock().expect("no holder of the lock panics")
    }
}

impl Reservation {
    pub(super) fn new(memory: Arc<Memory>, owners: Vec<Owner>) -> Self {
        Self { memory, owners, bytes: 0 }
    }

    /// Reserves further bytes.
    ///
    /// # Errors
    ///
    /// 503: there is no memory left, or the client has its share.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), ApiError> {
        let all = self.bytes + bytes;
        let large_bytes = large(all) - large(self.bytes);
        let mut amounts = self.memory.lock();
        if amounts.bytes + bytes > self.memory.bytes_max
            || large_bytes > 0 && amounts.large_bytes + large_bytes > self.memory.large_bytes_max()
        {
            let error = "too many large requests at once; send this one again";
            return Err(ApiError::unavailable("too_many_bodies", error));
        }
        if large_bytes > 0 {
            let share = self.memory.client_bytes_max() - large_bytes.min(self.memory.client_bytes_max());
            if self
                .owners
                .iter()
                .any(|owner| amounts.large_bytes_by_client.get(owner).is_some_and(|held| *held > share))
            {
                let error = "too many large requests of this client at once; send this one again";
                return Err(ApiError::unavailable("too_many_bodies", error));
            }
            amounts.large_bytes += large_bytes;
            for owner in &self.owners {
                *amounts.large_bytes_by_client.entry(owner.clone()).or_default() += large_bytes;
            }
        }
        amounts.bytes += bytes;
        self.bytes = all;
        Ok(())
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut amounts = self.memory.lock();
        amounts.bytes -= self.bytes;
        amounts.large_bytes -= large(self.bytes);
        for owner in &self.owners {
            if let Some(held) = amounts.large_bytes_by_client.get_mut(owner) {
                *held -= large(self.bytes);
                if *held == 0 {
                    amounts.large_bytes_by_client.remove(owner);
                }
            }
        }
    }
}

/// Bytes of a body that count as large: all or none.
fn large(bytes: usize) -> usize {
    if bytes > SMALL_BODY_BYTES_MAX { bytes } else { 0 }
}
