//! Subscriptions of clients, and the latest totals of each topic. Clients of one topic share an entry, which is removed with the
//! last of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use service::access::Place;
use tokio::sync::{Notify, watch};

use super::topic::Topic;
use super::totals::LiveTotals;

/// The latest state of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// The totals have not been read yet.
    Unread,
    /// No generation of the read models is active.
    NoGeneration,
    /// The stored numbers are damaged.
    Damaged,
    Counted(Arc<LiveTotals>),
}

type Entries = HashMap<Arc<Topic>, Entry>;

/// The state that all clients of a topic share.
struct Entry {
    latest: watch::Sender<State>,
    clients: usize,
}

/// The topics that clients are subscribed to.
#[derive(Default)]
pub(crate) struct Subscriptions {
    entries: Mutex<Entries>,
    /// Notified when a topic is added, or the last one removed.
    changed: Notify,
}

/// The subscription of one client, which ends when it is dropped.
pub(crate) struct Subscription {
    topic: Arc<Topic>,
    latest: watch::Receiver<State>,
    subscriptions: Arc<Subscriptions>,
    _place: Place,
}

impl Subscriptions {
    /// Adds a client to a topic.
    pub(crate) fn join(self: &Arc<Self>, topic: Topic, place: Place) -> Subscription {
        let mut entries = self.entries();
        let topic = entries.get_key_value(&topic).map_or_else(|| Arc::new(topic), |(known, _)| known.clone());
        let entry = entries.entry(topic.clone()).or_insert_with(|| {
            self.changed.notify_one();
            Entry { latest: watch::Sender::new(State::Unread), clients: 0 }
        });
        entry.clients += 1;
        Subscription { topic, latest: entry.latest.subscribe(), subscriptions: self.clone(), _place: place }
    }

    /// Returns when a topic has been added, or the last one removed. Only one task may wait.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The number of clients.
    pub(crate) fn clients(&self) -> usize {
        self.entries().values().map(|entry| entry.clients).sum()
    }

    /// All topics.
    pub(crate) fn topics(&self) -> Vec<Arc<Topic>> {
        self.entries().keys().cloned().collect()
    }

    /// Publishes the state of a topic to its clients. Returns whether it is another one than before.
    pub(crate) fn publish(&self, topic: &Topic, state: State) -> bool {
        let entries = self.entries();
        let Some(entry) = entries.get(topic) else { return false };
        entry.latest.send_if_modified(|known| {
            let is_new = *known != state;
            *known = state;
            is_new
        })
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().expect("no thread panics while it holds the lock")
    }
}

impl Subscription {
    /// Waits for the first state that was read.
    pub(crate) async fn first_state(&mut self) -> State {
        let known = self.latest.wait_for(|state| *state != State::Unread).await;
        known.map_or(State::Unread, |state| state.clone())
    }

    /// Waits for totals with another id than `seen`, and returns the latest. `None` if there will never be any.
    pub(crate) async fn other_than(&mut self, seen: Option<&str>) -> Option<Arc<LiveTotals>> {
        let is_other = |state: &State| matches!(state, State::Counted(totals) if Some(totals.id()) != seen);
        match &*self.latest.wait_for(is_other).await.ok()? {
            State::Counted(totals) => Some(totals.clone()),
            _ => None,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut entries = self.subscriptions.entries();
        let entry = entries.get_mut(&self.topic).expect("an entry stays while it has clients");
        entry.clients -= 1;
        if entry.clients == 0 {
            entries.remove(&self.topic);
            if entries.is_empty() {
                self.subscriptions.changed.notify_one();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use contract::EventType;
    use futures_util::FutureExt;
    use service::access::{Client, Places};

    use super::*;

    fn topic(site_id: &'static str) -> Topic {
        Topic { site_id: site_id.try_into().expect("a site"), event_type: EventType::PAGE_VIEW }
    }

    fn join(subscriptions: &Arc<Subscriptions>, site_id: &'static str) -> Subscription {
        let client = Client::of_address(std::net::Ipv4Addr::LOCALHOST.into());
        let place = Places::new(1, 1).take(&client).expect("a place");
        subscriptions.join(topic(site_id), place)
    }

    fn publish(subscriptions: &Subscriptions, site_id: &'static str, views: u64) -> bool {
        subscriptions.publish(&topic(site_id), State::Counted(Arc::new(LiveTotals::for_test(views))))
    }

    /// The totals that a client would be sent now.
    fn next(subscription: &mut Subscription, seen: Option<&str>) -> Option<Arc<LiveTotals>> {
        subscription.other_than(seen).now_or_never().flatten()
    }

    #[tokio::test]
    async fn a_slow_client_misses_what_was_in_between() {
        let subscriptions = Arc::<Subscriptions>::default();
        let (mut slow, mut other) = (join(&subscriptions, "a"), join(&subscriptions, "b"));
        for views in 1..=1_000 {
            assert!(publish(&subscriptions, "a", views));
        }
        let latest = next(&mut slow, None).expect("totals");
        assert_eq!(*latest, LiveTotals::for_test(1_000));
        assert_eq!(next(&mut slow, Some(latest.id())), None, "and that was all");
        assert_eq!(next(&mut other, None), None, "it is not about this one");
    }

    #[tokio::test]
    async fn a_client_is_not_sent_what_it_has_seen() {
        let subscriptions = Arc::<Subscriptions>::default();
        let mut client = join(&subscriptions, "a");
        assert!(publish(&subscriptions, "a", 1) && !publish(&subscriptions, "a", 1));
        let seen = next(&mut client, None).expect("totals");
        assert!(publish(&subscriptions, "a", 2) && publish(&subscriptions, "a", 1));
        assert_eq!(next(&mut client, Some(seen.id())), None, "it has come back to what was seen");
    }

    #[tokio::test]
    async fn an_entry_lives_as_long_as_its_clients() {
        let subscriptions = Arc::<Subscriptions>::default();
        let (first, second, other) = (join(&subscriptions, "a"), join(&subscriptions, "a"), join(&subscriptions, "b"));
        assert!(subscriptions.changed().now_or_never().is_some());
        assert_eq!(subscriptions.topics().len(), 2);
        drop(first);
        assert_eq!(subscriptions.topics().len(), 2);
        drop(second);
        assert_eq!(subscriptions.topics(), [Arc::new(topic("b"))]);
        assert!(!publish(&subscriptions, "a", 1), "it has no clients");
        assert!(subscriptions.changed().now_or_never().is_none());
        drop(other);
        assert!(subscriptions.changed().now_or_never().is_some(), "there are no topics");
    }
}
