//! The memory that bodies share. A quarter of it is only for small ones, so that single events find room however many
//! batches arrive; and large ones of one client, by its address and by its key, have half of all at most.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use service::Refusal;

/// A body that is no larger is small: any single event is.
pub const SMALL_BODY_BYTES_MAX: usize = 40 << 10;

/// All that is held.
#[derive(Debug)]
pub(super) struct Held {
    bytes_max: usize,
    amounts: Mutex<Amounts>,
}

#[derive(Debug, Default)]
struct Amounts {
    bytes: usize,
    large_bytes: usize,
    /// Of clients that have large bodies in memory.
    large_bytes_by_client: HashMap<Holder, usize>,
}

/// By what a client is known.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    /// Its address, or the network that counts as one.
    Network(IpAddr),
    /// The id of its key.
    Key(String),
}

/// What one body has of it. Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Room {
    held: Arc<Held>,
    holders: Vec<Holder>,
    bytes: usize,
}

impl Held {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, amounts: Mutex::default() }
    }

    /// How much is held, and how much may be.
    pub(super) fn bytes(&self) -> (usize, usize) {
        (self.lock().bytes, self.bytes_max)
    }

    fn large_bytes_max(&self) -> usize {
        self.bytes_max / 4 * 3
    }

    /// One of the largest batches, packed and unpacked, has room in it, however small the whole may be configured.
    fn client_bytes_max(&self) -> usize {
        self.bytes_max / 2
    }

    fn lock(&self) -> MutexGuard<'_, Amounts> {
        self.amounts.lock().expect("nobody panics with the lock")
    }
}

impl Room {
    pub(super) fn new(held: Arc<Held>, holders: Vec<Holder>) -> Self {
        Self { held, holders, bytes: 0 }
    }

    /// Takes so much more.
    ///
    /// # Errors
    ///
    /// 503: there is no room for it, or the client has its share.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        let all = self.bytes + bytes;
        let large_bytes = large(all) - large(self.bytes);
        let mut amounts = self.held.lock();
        if amounts.bytes + bytes > self.held.bytes_max
            || large_bytes > 0 && amounts.large_bytes + large_bytes > self.held.large_bytes_max()
        {
            let error = "too many large requests at once; send this one again";
            return Err(Refusal::unavailable("too_many_bodies", error));
        }
        if large_bytes > 0 {
            let share = self.held.client_bytes_max() - large_bytes.min(self.held.client_bytes_max());
            if self
                .holders
                .iter()
                .any(|holder| amounts.large_bytes_by_client.get(holder).is_some_and(|held| *held > share))
            {
                let error = "too many large requests of this client at once; send this one again";
                return Err(Refusal::unavailable("too_many_bodies", error));
            }
            amounts.large_bytes += large_bytes;
            for holder in &self.holders {
                *amounts.large_bytes_by_client.entry(holder.clone()).or_default() += large_bytes;
            }
        }
        amounts.bytes += bytes;
        self.bytes = all;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut amounts = self.held.lock();
        amounts.bytes -= self.bytes;
        amounts.large_bytes -= large(self.bytes);
        for holder in &self.holders {
            if let Some(held) = amounts.large_bytes_by_client.get_mut(holder) {
                *held -= large(self.bytes);
                if *held == 0 {
                    amounts.large_bytes_by_client.remove(holder);
                }
            }
        }
    }
}

/// What counts of a body of so many bytes as large: nothing, or all.
fn large(bytes: usize) -> usize {
    if bytes > SMALL_BODY_BYTES_MAX { bytes } else { 0 }
}
