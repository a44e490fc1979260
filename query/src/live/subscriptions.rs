//! Who watches what, and the latest of it. Clients that watch the same share it; it is forgotten with its last client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use contract::{EventType, SiteId};
use service::access::Place;
use tokio::sync::{Notify, watch};

use super::totals::Totals;

/// What can be watched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Pair {
    pub(crate) site_id: SiteId<'static>,
    pub(crate) event_type: EventType<'static>,
}

/// What is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing yet.
    Unread,
    /// There are no read models.
    NoGeneration,
    /// What is stored cannot be.
    Damaged,
    Counted(Arc<Totals>),
}

type Entries = HashMap<Arc<Pair>, Entry>;

/// What several clients share.
struct Entry {
    latest: watch::Sender<State>,
    clients: usize,
}

/// All that is watched.
#[derive(Default)]
pub(crate) struct Watched {
    entries: Mutex<Entries>,
    /// Something is watched that was not before, or nothing any more.
    changed: Notify,
}

/// One client's share. Dropped, the client has left.
pub(crate) struct Subscription {
    pair: Arc<Pair>,
    latest: watch::Receiver<State>,
    watched: Arc<Watched>,
    _place: Place,
}

impl Watched {
    /// Begins to watch.
    pub(crate) fn join(self: &Arc<Self>, pair: Pair, place: Place) -> Subscription {
        let mut entries = self.entries();
        let pair = entries.get_key_value(&pair).map_or_else(|| Arc::new(pair), |(known, _)| known.clone());
        let entry = entries.entry(pair.clone()).or_insert_with(|| {
            self.changed.notify_one();
            Entry { latest: watch::Sender::new(State::Unread), clients: 0 }
        });
        entry.clients += 1;
        Subscription { pair, latest: entry.latest.subscribe(), watched: self.clone(), _place: place }
    }

    /// Returns when something is watched that was not before, or nothing any more. For one who waits.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// How many clients watch something.
    pub(crate) fn clients(&self) -> usize {
        self.entries().values().map(|entry| entry.clients).sum()
    }

    /// Everything that is watched now.
    pub(crate) fn pairs(&self) -> Vec<Arc<Pair>> {
        self.entries().keys().cloned().collect()
    }

    /// Tells those who watch it, unless they know. Answers whether there was something to tell.
    pub(crate) fn publish(&self, pair: &Pair, state: State) -> bool {
        let entries = self.entries();
        let Some(entry) = entries.get(pair) else { return false };
        entry.latest.send_if_modified(|known| {
            let is_new = *known != state;
            *known = state;
            is_new
        })
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().expect("nobody panics with the lock")
    }
}

impl Subscription {
    /// The first that is known.
    pub(crate) async fn known(&mut self) -> State {
        let known = self.latest.wait_for(|state| *state != State::Unread).await;
        known.map_or(State::Unread, |state| state.clone())
    }

    /// The latest totals, as soon as they are others than those of `seen`; `None` if there will never be any.
    pub(crate) async fn other_than(&mut self, seen: Option<&str>) -> Option<Arc<Totals>> {
        let is_other = |state: &State| matches!(state, State::Counted(totals) if Some(totals.id()) != seen);
        match &*self.latest.wait_for(is_other).await.ok()? {
            State::Counted(totals) => Some(totals.clone()),
            _ => None,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut entries = self.watched.entries();
        let entry = entries.get_mut(&self.pair).expect("an entry stays while it has clients");
        entry.clients -= 1;
        if entry.clients == 0 {
            entries.remove(&self.pair);
            if entries.is_empty() {
                self.watched.changed.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use service::access::{Client, Places};

    use super::*;

    fn pair(site_id: &'static str) -> Pair {
        Pair { site_id: site_id.try_into().expect("a site"), event_type: EventType::PAGE_VIEW }
    }

    fn join(watched: &Arc<Watched>, site_id: &'static str) -> Subscription {
        let client = Client::of_address(std::net::Ipv4Addr::LOCALHOST.into());
        let place = Places::new(1, 1).take(&client).expect("a place");
        watched.join(pair(site_id), place)
    }

    fn publish(watched: &Watched, site_id: &'static str, views: u64) -> bool {
        watched.publish(&pair(site_id), State::Counted(Arc::new(Totals::for_test(views))))
    }

    /// What a client would be sent now.
    fn next(subscription: &mut Subscription, seen: Option<&str>) -> Option<Arc<Totals>> {
        subscription.other_than(seen).now_or_never().flatten()
    }

    #[tokio::test]
    async fn a_slow_client_misses_what_was_in_between() {
        let watched = Arc::<Watched>::default();
        let (mut slow, mut other) = (join(&watched, "a"), join(&watched, "b"));
        for views in 1..=1_000 {
            assert!(publish(&watched, "a", views));
        }
        let latest = next(&mut slow, None).expect("totals");
        assert_eq!(*latest, Totals::for_test(1_000));
        assert_eq!(next(&mut slow, Some(latest.id())), None, "and that was all");
        assert_eq!(next(&mut other, None), None, "it is not about this one");
    }

    #[tokio::test]
    async fn who_knows_is_not_told_again() {
        let watched = Arc::<Watched>::default();
        let mut client = join(&watched, "a");
        assert!(publish(&watched, "a", 1) && !publish(&watched, "a", 1));
        let seen = next(&mut client, None).expect("totals");
        assert!(publish(&watched, "a", 2) && publish(&watched, "a", 1));
        assert_eq!(next(&mut client, Some(seen.id())), None, "it has come back to what was seen");
    }

    #[tokio::test]
    async fn an_entry_lives_as_long_as_its_clients() {
        let watched = Arc::<Watched>::default();
        let (first, second, other) = (join(&watched, "a"), join(&watched, "a"), join(&watched, "b"));
        assert!(watched.changed().now_or_never().is_some());
        assert_eq!(watched.pairs().len(), 2);
        drop(first);
        assert_eq!(watched.pairs().len(), 2);
        drop(second);
        assert_eq!(watched.pairs(), [Arc::new(pair("b"))]);
        assert!(!publish(&watched, "a", 1), "nobody watches it");
        assert!(watched.changed().now_or_never().is_none());
        drop(other);
        assert!(watched.changed().now_or_never().is_some(), "nobody watches anything");
    }
}
