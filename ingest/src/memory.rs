//! Memory that clients share: that of bodies, and that of the queues. A quarter is reserved for what is small, so that
//! single events find room however many batches arrive. One client, by its address and by its key, has at most half of all
//! for what is large, and an eighth for what is small.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

/// Maximum bytes of what is small; every single event is.
pub const SMALL_BODY_BYTES_MAX: usize = 40 << 10;

/// A bound in bytes, and how much of it each client has.
#[derive(Debug)]
pub(crate) struct Memory {
    bytes_max: usize,
    amounts: Mutex<Amounts>,
}

#[derive(Debug, Default)]
struct Amounts {
    all: Share,
    by_client: HashMap<Owner, Share>,
}

/// Bytes of what is small and of what is large.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Share {
    small: usize,
    large: usize,
}

/// Identity of a client for its share.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// The address, or the network that counts as one.
    Network(IpAddr),
    /// The id of the key.
    Key(String),
}

/// Reason for which nothing can be reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// All clients together have reached the bound.
    ByAll,
    /// The client has its share.
    ByClient,
}

/// Memory of one body or of one part of a request, freed when it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    memory: Arc<Memory>,
    owners: Vec<Owner>,
    bytes: usize,
}

impl Owner {
    /// The identities of a client.
    pub(crate) fn all(network: IpAddr, key: Option<&str>) -> Vec<Self> {
        let key = key.map(|key| Self::Key(key.to_owned()));
        [Self::Network(network)].into_iter().chain(key).collect()
    }
}

impl Memory {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, amounts: Mutex::default() }
    }

    /// Bytes that are reserved.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().all.bytes()
    }

    /// Bytes that may be reserved.
    pub(crate) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    fn has_room(&self, all: Share) -> bool {
        all.bytes() <= self.bytes_max && all.large <= self.bytes_max / 4 * 3
    }

    /// One of the largest batches, packed and unpacked, has room in half of it, however small the whole may be configured.
    fn is_share(&self, client: Share) -> bool {
        client.large <= self.bytes_max / 2 && client.small <= self.bytes_max / 8
    }

    fn lock(&self) -> MutexGuard<'_, Amounts> {
        self.amounts.lock().expect("no holder of the lock panics")
    }
}

impl Share {
    fn of(bytes: usize) -> Self {
        if bytes > SMALL_BODY_BYTES_MAX { Self { small: 0, large: bytes } } else { Self { small: bytes, large: 0 } }
    }

    fn bytes(self) -> usize {
        self.small + self.large
    }

    /// The share with `after` in place of `before`.
    fn with(self, before: Self, after: Self) -> Self {
        Self { small: self.small - before.small + after.small, large: self.large - before.large + after.large }
    }
}

impl Reservation {
    pub(crate) fn new(memory: Arc<Memory>, owners: Vec<Owner>) -> Self {
        Self { memory, owners, bytes: 0 }
    }

    /// Reserves further bytes.
    ///
    /// # Errors
    ///
    /// There is no memory left, or the client has its share. What was reserved before stays so.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), Full> {
        let (before, after) = (Share::of(self.bytes), Share::of(self.bytes + bytes));
        let mut amounts = self.memory.lock();
        if !self.memory.has_room(amounts.all.with(before, after)) {
            return Err(Full::ByAll);
        }
        let of = |owner| amounts.by_client.get(owner).copied().unwrap_or_default();
        if !self.owners.iter().all(|owner| self.memory.is_share(of(owner).with(before, after))) {
            return Err(Full::ByClient);
        }
        self.put(&mut amounts, before, after);
        self.bytes += bytes;
        Ok(())
    }

    fn put(&self, amounts: &mut Amounts, before: Share, after: Share) {
        amounts.all = amounts.all.with(before, after);
        for owner in &self.owners {
            let share = amounts.by_client.entry(owner.clone()).or_default();
            *share = share.with(before, after);
            if *share == Share::default() {
                amounts.by_client.remove(owner);
            }
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.put(&mut self.memory.lock(), Share::of(self.bytes), Share::default());
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const BYTES_MAX: usize = 16 << 20;

    fn reservation_of(memory: &Arc<Memory>, client: u8) -> Reservation {
        Reservation::new(memory.clone(), Owner::all(IpAddr::V4(Ipv4Addr::new(10, 0, 0, client)), None))
    }

    /// Reserves so many bytes again and again, until that is refused.
    fn fill(memory: &Arc<Memory>, client: u8, bytes: usize) -> (Vec<Reservation>, Full) {
        let mut reservations = vec![];
        loop {
            let mut reservation = reservation_of(memory, client);
            if let Err(full) = reservation.take(bytes) {
                return (reservations, full);
            }
            reservations.push(reservation);
        }
    }

    #[test]
    fn one_client_leaves_room_to_others_whatever_it_sends() {
        let memory = Arc::new(Memory::new(BYTES_MAX));
        let (small, full) = fill(&memory, 1, SMALL_BODY_BYTES_MAX);
        assert_eq!((full, small.len() * SMALL_BODY_BYTES_MAX <= BYTES_MAX / 8), (Full::ByClient, true));
        let (large, full) = fill(&memory, 1, 1 << 20);
        assert_eq!((full, memory.bytes() <= BYTES_MAX / 8 * 5, large.is_empty()), (Full::ByClient, true, false));
        assert_eq!(reservation_of(&memory, 2).take(SMALL_BODY_BYTES_MAX), Ok(()));
        assert_eq!(reservation_of(&memory, 2).take(1 << 20), Ok(()));
        drop((small, large));
        assert_eq!((memory.bytes(), memory.lock().by_client.len()), (0, 0));
    }

    #[test]
    fn large_ones_leave_a_quarter_to_small_ones() {
        let memory = Arc::new(Memory::new(BYTES_MAX));
        let _large: Vec<_> = (0..8).map(|client| fill(&memory, client, 1 << 20).0).collect();
        assert_eq!(memory.bytes(), BYTES_MAX / 4 * 3);
        assert_eq!(reservation_of(&memory, 9).take(1 << 20), Err(Full::ByAll));
        assert_eq!(reservation_of(&memory, 9).take(SMALL_BODY_BYTES_MAX), Ok(()));
    }

    #[test]
    fn what_grows_becomes_large() {
        let memory = Arc::new(Memory::new(BYTES_MAX));
        let mut reservation = reservation_of(&memory, 1);
        reservation.take(SMALL_BODY_BYTES_MAX).expect("room");
        reservation.take(1).expect("room");
        assert_eq!(memory.lock().all, Share { small: 0, large: SMALL_BODY_BYTES_MAX + 1 });
    }
}
