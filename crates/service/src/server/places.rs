//! Who is connected, and who has to leave where there is no more room: connections that wait for a request, of the
//! addresses that have most, before anybody who is being answered.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use super::state::{Phase, State};

/// Of all places, so many are freed at once where none is left: a search looks at all connections.
const FREED_SHARE: usize = 100;

/// Connections of a server.
#[derive(Debug)]
pub(super) struct Places {
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

/// A connection's place, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    state: Arc<State>,
}

/// Why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoPlace;

impl Places {
    pub(super) fn new(connections_max: usize, per_network_max: usize) -> Self {
        Self { connections_max, per_network_max, taken: Mutex::default() }
    }

    /// A place for a connection. Connections that wait are asked to leave where its network has its share, or all places
    /// are taken: the newcomer has a place of those that become free meanwhile.
    ///
    /// # Errors
    ///
    /// All connections of its network are being answered, or all that there are.
    pub(super) fn take(self: &Arc<Self>, state: State) -> Result<Place, NoPlace> {
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
        Ok(Place { places: self.clone(), id, state })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().expect("nobody panics with the lock")
    }
}

impl Taken {
    /// Asks a share of so many connections to leave, of those that wait, and takes them off the list.
    fn free(&mut self, places: usize, may_leave: impl Fn(&State) -> bool) -> Result<(), NoPlace> {
        let those = self.connections.iter().filter(|(_, state)| may_leave(state));
        let mut waiting: Vec<_> = those.filter_map(|(id, state)| self.rank(*id, state)).collect();
        if waiting.is_empty() {
            return Err(NoPlace);
        }
        waiting.sort_unstable_by_key(|(rank, _)| *rank);
        for (_, id) in waiting.into_iter().take((places / FREED_SHARE).max(1)) {
            if let Some(state) = self.remove(id) {
                state.close();
            }
        }
        Ok(())
    }

    /// Who leaves first is least: who never asked for anything, then who is no proxy, then who has most connections, then who
    /// has waited longest. Who is being answered has no rank.
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

impl Place {
    pub(super) fn state(&self) -> &Arc<State> {
        &self.state
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn network(number: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, number])
    }

    fn places(places_max: usize, per_network_max: usize) -> Arc<Places> {
        Arc::new(Places::new(places_max, per_network_max))
    }

    async fn is_asked_to_leave(place: &Place) -> bool {
        tokio::time::timeout(Duration::ZERO, place.state().closing()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_makes_room_and_who_is_answered_stays() {
        let places = places(3, 3);
        let busy = places.take(State::new(network(1), false)).expect("a place");
        busy.state().begin();
        let served = places.take(State::new(network(2), false)).expect("a place");
        served.state().begin();
        served.state().end();
        let silent = places.take(State::new(network(2), false)).expect("a place");
        let new = places.take(State::new(network(3), false)).expect("the place of the silent one");
        assert!(is_asked_to_leave(&silent).await);
        assert!(!is_asked_to_leave(&served).await && !is_asked_to_leave(&busy).await);
        new.state().begin();
        let newer = places.take(State::new(network(3), false)).expect("the place of the one that was served");
        assert!(is_asked_to_leave(&served).await);
        newer.state().begin();
        assert_eq!(places.take(State::new(network(4), false)).expect_err("all are being answered"), NoPlace);
        drop((busy, served, silent, new, newer));
        assert!(places.lock().connections.is_empty() && places.lock().by_network.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_network_has_a_share_unless_it_is_a_proxy() {
        let places = places(10, 2);
        let mine: Vec<_> = (0..2).map(|_| places.take(State::new(network(1), false)).expect("a place")).collect();
        for place in &mine {
            place.state().begin();
        }
        assert_eq!(places.take(State::new(network(1), false)).expect_err("its share is taken"), NoPlace);
        let others: Vec<_> = (0..8).map(|_| places.take(State::new(network(2), true)).expect("a place")).collect();
        mine[0].state().end();
        let third = places.take(State::new(network(1), false)).expect("the place of the idle one");
        assert!(is_asked_to_leave(&mine[0]).await);
        for other in &others {
            assert!(!is_asked_to_leave(other).await);
        }
        drop(third);
    }
}
