//! Concurrency limit: a number of places in all, and a maximum of them for each [`Client`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use super::client_ip::Client;

/// Places that clients share. Clones share the same places.
#[derive(Debug, Clone)]
pub struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places_max: usize,
    per_client_max: usize,
    held: Mutex<Held>,
}

/// Places in use. Only a client with a place has an entry, so there are never more entries than places.
#[derive(Debug, Default)]
struct Held {
    places: usize,
    per_client: HashMap<Client, usize>,
}

/// A place in use, or several, which are free again when this is dropped.
#[derive(Debug)]
pub struct Place {
    client: Client,
    count: usize,
    places: Places,
}

/// Reason for which there is no place now. A later retry may succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// All places are taken.
    #[error("all places are taken")]
    AllTaken,
    /// The client has its maximum.
    #[error("the client holds as many places as one client may")]
    ClientHasMost,
}

impl Places {
    /// `places_max` places in all, of which each client has at most `per_client_max`.
    pub fn new(places_max: usize, per_client_max: usize) -> Self {
        Self(Arc::new(Inner { places_max, per_client_max, held: Mutex::default() }))
    }

    /// Takes a place for a client.
    ///
    /// # Errors
    ///
    /// All places are taken, or the client has its maximum.
    pub fn take(&self, client: &Client) -> Result<Place, NoPlace> {
        self.take_many(client, 1)
    }

    /// Maximum places of a client.
    pub(crate) fn per_client_max(&self) -> usize {
        self.0.per_client_max
    }

    /// Takes several places at once, or none.
    ///
    /// # Errors
    ///
    /// Too few places are left, in all or of the client's maximum.
    pub fn take_many(&self, client: &Client, count: usize) -> Result<Place, NoPlace> {
        let mut held = self.held();
        if count > self.0.places_max.saturating_sub(held.places) {
            return Err(NoPlace::AllTaken);
        }
        let of_client = held.per_client.get(client).copied().unwrap_or(0);
        if count > self.0.per_client_max.saturating_sub(of_client) {
            return Err(NoPlace::ClientHasMost);
        }
        held.places += count;
        held.per_client.insert(client.clone(), of_client + count);
        Ok(Place { client: client.clone(), count, places: self.clone() })
    }

    /// Number of places that are taken, and of all places.
    pub fn taken(&self) -> (usize, usize) {
        (self.held().places, self.0.places_max)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().expect("no holder of the lock panics")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held();
        held.places -= self.count;
        let of_client = held.per_client.get_mut(&self.client).expect("a client with a place has an entry");
        *of_client -= self.count;
        if *of_client == 0 {
            held.per_client.remove(&self.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> Client {
        Client::of_address(text.parse().expect("an address"))
    }

    #[test]
    fn a_client_has_its_part_and_no_more() {
        let (places, greedy, modest) = (Places::new(3, 2), client("203.0.113.1"), client("203.0.113.2"));
        let mut held = vec![places.take(&greedy).expect("one"), places.take(&greedy).expect("another")];
        assert_eq!(places.take(&greedy).expect_err("its third"), NoPlace::ClientHasMost);
        held.push(places.take(&modest).expect("what is left"));
        assert_eq!(places.take(&modest).expect_err("there are three"), NoPlace::AllTaken);
        assert_eq!(places.taken(), (3, 3));
        held.remove(0);
        assert!(places.take(&modest).is_ok(), "a place that was given back");
        assert_eq!(places.taken(), (2, 3));
        drop(held);
        assert_eq!((places.taken(), places.held().per_client.len()), ((0, 3), 0), "nothing is left of clients");
    }

    #[test]
    fn addresses_of_one_network_are_one_client() {
        let places = Places::new(8, 1);
        let _place = places.take(&client("2001:db8:1:2::1")).expect("a place");
        assert_eq!(places.take(&client("2001:db8:1:2:3::4")).expect_err("one customer"), NoPlace::ClientHasMost);
        assert!(places.take(&client("2001:db8:1:3::1")).is_ok(), "another customer");
    }
}
