//! Slots of connections. If none is free, connections that wait for a request are closed, those of the addresses with most
//! connections first; connections with a request in progress stay.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard};

use super::settings::Connections;
use super::state::{Phase, State};

/// Share of all slots that is freed at once if none is left, because each search looks at all connections.
const FREED_SHARE: usize = 100;

/// Slots of a listener.
#[derive(Debug)]
pub(super) struct Slots {
    connections_max: usize,
    per_network_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    connections: HashMap<u64, Arc<State>>,
    by_network: HashMap<IpAddr, usize>,
}

/// Slot of a connection, free again when this is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    id: u64,
    state: Arc<State>,
}

/// There is no slot: all connections of the network, or all of the listener, have a request in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoSlot;

impl Slots {
    pub(super) fn new(settings: &Connections) -> Self {
        let number = |max: NonZeroU32| usize::try_from(max.get()).unwrap_or(usize::MAX);
        Self {
            connections_max: number(settings.connections_max),
            per_network_max: number(settings.per_address_max()),
            taken: Mutex::default(),
        }
    }

    /// Takes a slot for a connection. If its network has its share, or all slots are taken, idle connections are asked to
    /// close, and the new connection takes one of their slots at once.
    pub(super) fn take(self: &Arc<Self>, state: State) -> Result<Slot, NoSlot> {
        let mut taken = self.lock();
        let of_network = taken.by_network.get(&state.network).copied().unwrap_or_default();
        if !state.is_proxy && of_network >= self.per_network_max {
            let network = state.network;
            taken.free(self.per_network_max, |other| other.network == network && !other.is_proxy)?;
        } else if taken.connections.len() >= self.connections_max {
            taken.free(self.connections_max, |_| true)?;
        }
        let state = Arc::new(state);
        let id = taken.next;
        taken.next += 1;
        taken.connections.insert(id, state.clone());
        *taken.by_network.entry(state.network).or_default() += 1;
        drop(taken);
        Ok(Slot { slots: self.clone(), id, state })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().expect("no holder of the lock panics")
    }
}

impl Taken {
    /// Asks a share of the idle connections to close, and removes them from the table.
    fn free(&mut self, slots: usize, may_leave: impl Fn(&State) -> bool) -> Result<(), NoSlot> {
        let those = self.connections.iter().filter(|(_, state)| may_leave(state));
        let mut waiting: Vec<_> = those.filter_map(|(id, state)| self.rank(*id, state)).collect();
        if waiting.is_empty() {
            return Err(NoSlot);
        }
        waiting.sort_unstable_by_key(|(rank, _)| *rank);
        for (_, id) in waiting.into_iter().take((slots / FREED_SHARE).max(1)) {
            if let Some(state) = self.remove(id) {
                state.close();
            }
        }
        Ok(())
    }

    /// Order in which idle connections are closed, the least first: without any request so far, then not of a proxy, then of
    /// the network with most connections, then idle for longest. A connection with a request in progress has no rank.
    fn rank(&self, id: u64, state: &State) -> Option<(Rank, u64)> {
        let since = match state.phase() {
            Phase::Busy => return None,
            Phase::Idle(since) | Phase::Headers(since) => since,
        };
        let connections = self.by_network.get(&state.network).copied().unwrap_or_default();
        Some(((state.has_served(), state.is_proxy, usize::MAX - connections, since), id))
    }

    fn remove(&mut self, id: u64) -> Option<Arc<State>> {
        let state = self.connections.remove(&id)?;
        if let Some(connections) = self.by_network.get_mut(&state.network) {
            *connections -= 1;
            if *connections == 0 {
                self.by_network.remove(&state.network);
            }
        }
        Some(state)
    }
}

type Rank = (bool, bool, usize, tokio::time::Instant);

impl Slot {
    pub(super) fn state(&self) -> &Arc<State> {
        &self.state
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn network(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    fn slots(connections_max: u32, per_network_max: u32) -> Arc<Slots> {
        let connections_max = NonZeroU32::new(connections_max).expect("it is not 0");
        let per_address_max = NonZeroU32::new(per_network_max);
        Arc::new(Slots::new(&Connections { connections_max, per_address_max, ..Connections::default() }))
    }

    async fn is_asked_to_leave(slot: &Slot) -> bool {
        tokio::time::timeout(Duration::ZERO, slot.state().closing()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_makes_room_and_who_is_answered_stays() {
        let slots = slots(3, 3);
        let busy = slots.take(State::new(network(1), false)).expect("a slot");
        busy.state().begin();
        let served = slots.take(State::new(network(2), false)).expect("a slot");
        served.state().begin();
        served.state().end(0);
        let silent = slots.take(State::new(network(2), false)).expect("a slot");
        let new = slots.take(State::new(network(3), false)).expect("the slot of the silent one");
        assert!(is_asked_to_leave(&silent).await);
        assert!(!is_asked_to_leave(&served).await && !is_asked_to_leave(&busy).await);
        new.state().begin();
        let newer = slots.take(State::new(network(3), false)).expect("the slot of the one that was served");
        assert!(is_asked_to_leave(&served).await);
        newer.state().begin();
        assert_eq!(slots.take(State::new(network(4), false)).expect_err("all are being answered"), NoSlot);
        drop((busy, served, silent, new, newer));
        assert!(slots.lock().connections.is_empty() && slots.lock().by_network.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_has_a_share_unless_it_is_a_proxy() {
        let slots = slots(10, 2);
        let mine: Vec<_> = (0..2).map(|_| slots.take(State::new(network(1), false)).expect("a slot")).collect();
        for slot in &mine {
            slot.state().begin();
        }
        assert_eq!(slots.take(State::new(network(1), false)).expect_err("its share is taken"), NoSlot);
        let others: Vec<_> = (0..8).map(|_| slots.take(State::new(network(2), true)).expect("a slot")).collect();
        mine[0].state().end(0);
        let third = slots.take(State::new(network(1), false)).expect("the slot of the idle one");
        assert!(is_asked_to_leave(&mine[0]).await);
        for other in &others {
            assert!(!is_asked_to_leave(other).await);
        }
        drop(third);
    }
}
