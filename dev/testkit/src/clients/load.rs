//! Clients that post without a pause, and remember what they heard. Each event has a path of its own, so that the read
//! models tell of each whether it was counted, and how often.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::clients::http::{Answer, Client};

/// Sites of the load begin so. They are several, to reach several partitions.
pub const SITES: &str = "load-";

const SITES_COUNT: usize = 8;

/// Posts of one client: a test that forgets to stop ends all the same.
const POSTS_MAX: usize = 10_000;

/// Pause after a post without an answer: a real client would not retry in a loop either.
const UNANSWERED_PAUSE: Duration = Duration::from_millis(20);

/// Clients at work. Dropped, they stop.
pub struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<Heard>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    acknowledged: AtomicU64,
    refused: AtomicU64,
}

/// What the clients heard, by the paths of their events.
#[derive(Debug, Default)]
pub struct Heard {
    /// 200.
    pub acknowledged: Vec<String>,
    /// 503 in due form, with its sentence.
    pub refused: BTreeMap<String, String>,
    /// No answer, and why.
    pub unanswered: BTreeMap<String, String>,
    /// Whatever else was said. There should be nothing.
    pub other: BTreeMap<String, String>,
}

impl Load {
    /// Begins to post with so many clients at once.
    pub fn start(client: &Client, clients: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let posting = (0..clients).map(|number| post(client.clone(), number, Arc::clone(&shared)));
        Self { clients: posting.collect(), shared }
    }

    /// How many 200s there were.
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::SeqCst)
    }

    /// How many 503s there were.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::SeqCst)
    }

    /// Waits for the last answers.
    pub async fn stop(mut self) -> Heard {
        self.shared.is_over.store(true, Ordering::SeqCst);
        let mut all = Heard::default();
        while let Some(heard) = self.clients.join_next().await {
            all.merge(heard.expect("a client does not panic"));
        }
        all
    }
}

impl Heard {
    fn merge(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.refused.extend(other.refused);
        self.unanswered.extend(other.unanswered);
        self.other.extend(other.other);
    }

    fn note(&mut self, path: String, answer: reqwest::Result<Answer>) {
        match answer {
            Err(err) => {
                self.unanswered.insert(path, format!("{err:?}"));
            }
            Ok(answer) if answer.status == 200 => self.acknowledged.push(path),
            Ok(answer) if answer.status == 503 && answer.headers.contains_key("retry-after") => {
                self.refused.insert(path, answer.error());
            }
            Ok(answer) => {
                self.other.insert(path, format!("{} {}", answer.status, answer.text));
            }
        }
    }

    /// Each acknowledged event was counted exactly once, and nothing was counted twice. An event without a 200 may or
    /// may not be counted: the client was told that its outcome is unknown.
    pub fn check_counted(&self, views_by_path: &BTreeMap<String, i64>) {
        assert!(self.other.is_empty(), "neither 200 nor 503: {:?}", self.other.first_key_value());
        let lost: Vec<&String> =
            self.acknowledged.iter().filter(|path| !views_by_path.contains_key(path.as_str())).collect();
        assert!(lost.is_empty(), "{} of {} acknowledged are lost: {lost:?}", lost.len(), self.acknowledged.len());
        let doubled: Vec<_> = views_by_path.iter().filter(|(_, views)| **views != 1).collect();
        assert!(doubled.is_empty(), "{} events are counted more than once: {doubled:?}", doubled.len());
        let posted = self.acknowledged.len() + self.refused.len() + self.unanswered.len();
        assert!(views_by_path.len() <= posted, "{} counted, {posted} posted", views_by_path.len());
    }
}

async fn post(client: Client, number: usize, shared: Arc<Shared>) -> Heard {
    let mut heard = Heard::default();
    let site = format!("{SITES}{}", number % SITES_COUNT);
    for turn in 0..POSTS_MAX {
        if shared.is_over.load(Ordering::SeqCst) {
            break;
        }
        let path = format!("/{number}/{turn}");
        let answer = client.post("/event", event(&site, &path)).await;
        let unanswered = answer.is_err();
        match answer.as_ref().map(|answer| answer.status) {
            Ok(200) => shared.acknowledged.fetch_add(1, Ordering::SeqCst),
            Ok(503) => shared.refused.fetch_add(1, Ordering::SeqCst),
            _ => 0,
        };
        heard.note(path, answer);
        if unanswered {
            sleep(UNANSWERED_PAUSE).await;
        }
    }
    heard
}

/// A page view of a user who is always the same.
pub fn event(site: &str, path: &str) -> String {
    format!(
        r#"{{"site_id":"{site}","event_type":"page_view","path":"{path}","timestamp":"2025-11-12T19:30:01Z","user_id":"u"}}"#
    )
}
