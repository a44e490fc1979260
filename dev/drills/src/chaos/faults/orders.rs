//! What a nemesis asks the monitor of the log's server to do, at a moment of the nemesis' choice.

use std::cell::RefCell;
use std::future;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

/// A kill of the log's server, and how it is started again.
#[derive(Debug)]
pub(in crate::chaos) struct Order {
    /// How long it stays away.
    pub(in crate::chaos) down: Duration,
    /// Before that it runs without syncing, if it is to.
    pub(in crate::chaos) unsynced: Option<Unsynced>,
    done: oneshot::Sender<()>,
}

/// A server that acknowledges before it syncs.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Unsynced {
    /// Its configuration.
    pub(in crate::chaos) conf: PathBuf,
    /// How long it runs.
    pub(in crate::chaos) span: Duration,
}

/// The orders of a run. There is one giver and one taker.
#[derive(Debug)]
pub(in crate::chaos) struct OrderBook {
    given: mpsc::Sender<Order>,
    taken: RefCell<Option<mpsc::Receiver<Order>>>,
}

/// The taker's end.
#[derive(Debug)]
pub(in crate::chaos) struct Orders(Option<mpsc::Receiver<Order>>);

impl Order {
    /// Tells the giver that it is done.
    pub(in crate::chaos) fn done(self) {
        // A giver whose time is over has left.
        let _ = self.done.send(());
    }
}

impl Default for OrderBook {
    fn default() -> Self {
        let (given, taken) = mpsc::channel(1);
        Self { given, taken: RefCell::new(Some(taken)) }
    }
}

impl OrderBook {
    /// Has the log's server killed, and returns once it serves again; at once where the run's faults are over.
    pub(in crate::chaos) async fn give(&self, down: Duration, unsynced: Option<Unsynced>) {
        let (done, heard) = oneshot::channel();
        if self.given.send(Order { down, unsynced, done }).await.is_ok() {
            let _ = heard.await;
        }
    }

    /// The taker's end, for the one taker.
    pub(in crate::chaos) fn taken(&self) -> Orders {
        Orders(self.taken.borrow_mut().take())
    }
}

impl Orders {
    /// No orders at all.
    pub(in crate::chaos) fn none() -> Self {
        Self(None)
    }

    /// The next order; waits while there is none.
    pub(in crate::chaos) async fn next(&mut self) -> Order {
        if let Some(taken) = &mut self.0
            && let Some(order) = taken.recv().await
        {
            return order;
        }
        future::pending().await
    }
}
