//! A client of `GET /live`.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use crate::service::{Answer, Service};

/// The timeout of events that come soon: a busy machine schedules late.
pub(crate) const SOON: Duration = Duration::from_millis(2_500);

/// The chunks of the stream.
pub(crate) struct EventSource {
    response: reqwest::Response,
    received: String,
}

/// A piece of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    Totals {
        id: String,
        data: Value,
    },
    /// A sign of life.
    Comment,
    /// The stream is over.
    End,
}

impl EventSource {
    /// Begins to watch, which is expected to be possible.
    pub(crate) async fn open(service: &Service, query: &str) -> Self {
        Self::resume(service, query, None).await
    }

    /// Connects with the id of the last event that was seen.
    pub(crate) async fn resume(service: &Service, query: &str, last_id: Option<&str>) -> Self {
        let response = service.request(&format!("/live?{query}"), last_id).await;
        assert_eq!(response.status(), 200, "{query}");
        Self { response, received: String::new() }
    }

    /// The answer to a client that cannot subscribe.
    pub(crate) async fn refused(service: &Service, query: &str) -> Answer {
        Answer::of(service.request(&format!("/live?{query}"), None).await).await
    }

    /// The next piece, as it was sent.
    pub(crate) async fn raw(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.received.find("\n\n") {
                let rest = self.received.split_off(end + 2);
                return Some(std::mem::replace(&mut self.received, rest));
            }
            let bytes = self.response.chunk().await.expect("a stream that is not broken")?;
            self.received.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
        }
    }

    /// The next piece.
    pub(crate) async fn piece(&mut self) -> Piece {
        let Some(piece) = self.raw().await else { return Piece::End };
        let field = |name: &str| piece.lines().find_map(|line| line.strip_prefix(name));
        let Some(data) = field("data: ") else {
            assert!(piece.starts_with(':'), "{piece}");
            return Piece::Comment;
        };
        assert_eq!(field("event: "), Some("totals"), "{piece}");
        let (id, data) = (field("id: ").expect("an id"), serde_json::from_str(data).expect("JSON"));
        Piece::Totals { id: id.to_owned(), data }
    }

    /// The next totals with their id, which are expected soon.
    pub(crate) async fn totals_with_id(&mut self) -> (String, Value) {
        self.totals_within(SOON).await
    }

    /// Waits for the next totals up to `patience`.
    pub(crate) async fn totals_within(&mut self, patience: Duration) -> (String, Value) {
        let totals = async {
            loop {
                match self.piece().await {
                    Piece::Totals { id, data } => return (id, data),
                    Piece::Comment => {}
                    Piece::End => panic!("the stream is over"),
                }
            }
        };
        timeout(patience, totals).await.expect("totals in time")
    }

    /// Views and users of the next totals.
    pub(crate) async fn counts(&mut self) -> (u64, u64) {
        counts(&self.totals_with_id().await.1)
    }

    /// Expects no totals for a moment.
    pub(crate) async fn nothing(&mut self) {
        const MOMENT: Duration = Duration::from_millis(700);
        if let Ok(piece) = timeout(MOMENT, self.piece()).await {
            panic!("nothing was expected, but there is {piece:?}");
        }
    }
}

/// Views and users.
pub(crate) fn counts(data: &Value) -> (u64, u64) {
    (data["total_views"].as_u64().expect("views"), data["unique_users"].as_u64().expect("users"))
}
