//! Clients that send until they have a 200, as an SDK does, and send some of that again.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::future;
use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep, sleep_until};

use crate::chaos::clients::request::Request;
use crate::chaos::clients::visit::{Visit, Visits};
use crate::chaos::random;
use crate::chaos::run::Run;
use crate::chaos::verdict::findings::Kind;
use testkit::clients::http::{Answer, Client};

/// Clients at once: each has one request on its way.
const CLIENTS: u32 = 24;

/// After this every other client takes its request for lost. Shorter than some freezes: ingest stores what no client waits
/// for.
const PATIENCE_SHORT: Duration = Duration::from_secs(3);

/// The others wait until ingest itself says that it is not certain.
const PATIENCE_LONG: Duration = Duration::from_secs(8);

/// Between two tries, in milliseconds. Less than `Retry-After` asks for: the run wants trouble.
const RETRY_MS: (u64, u64) = (50, 500);

/// How long after the faults a client goes on trying.
pub(in crate::chaos) const TRIES_END: Duration = Duration::from_mins(1);

/// One request in this many is sent again whole, one batch in this many takes an earlier event along.
const RESEND_ONE_IN: u32 = 20;

/// Acknowledged events that a client keeps in order to send one of them again.
const KEPT_MAX: usize = 64;

/// What was done to the clients, and what they have seen.
#[derive(Debug, Default)]
pub(in crate::chaos) struct Tally {
    /// Requests that were sent again for want of an answer.
    pub(in crate::chaos) retries: u64,
    /// Answers 503.
    pub(in crate::chaos) unavailable: u64,
    /// Connections to the log that were cut: one of each process at a time.
    pub(in crate::chaos) cuts: u64,
    /// Strikes at the log's worst moments.
    pub(in crate::chaos) nemeses: u64,
    /// Events sent on purpose after they were acknowledged, and acknowledged again.
    pub(in crate::chaos) resends: u64,
}

/// Sends until the run's time is over, and then until everything that was sent is acknowledged.
pub(in crate::chaos) async fn send(run: &Run) {
    future::join_all((0..CLIENTS).map(|number| Sender::new(run, number).send())).await;
}

struct Sender<'a> {
    run: &'a Run,
    client: Client,
    visits: Visits,
    /// Random numbers for retries: their number depends on time, and must not change the traffic.
    random: StdRng,
    kept: VecDeque<Visit>,
}

impl<'a> Sender<'a> {
    fn new(run: &'a Run, number: u32) -> Self {
        let patience = if number.is_multiple_of(2) { PATIENCE_SHORT } else { PATIENCE_LONG };
        let client = run.stack.ingest_client.patient_for(patience);
        let visits = Visits::of(run.seed, format!("client-{number}"));
        let random = random::sequence(run.seed, &format!("retries-{number}"));
        Self { run, client, visits, random, kept: VecDeque::new() }
    }

    async fn send(mut self) {
        let pause_of_one = Duration::from_secs(1) * CLIENTS / self.run.options.rate;
        while Instant::now() < self.run.until {
            let begun = Instant::now();
            let repeat = self.earlier();
            let request = Request::next(&mut self.visits, repeat);
            let mut events = request.events();
            if self.deliver(&request).await {
                if self.is_time_to_resend() {
                    let again = request.again();
                    events += again.events();
                    self.deliver(&again).await;
                }
                self.kept.extend(request.visits);
                self.kept.drain(..self.kept.len().saturating_sub(KEPT_MAX));
            }
            // What was missed while a server was down is not caught up with: the rate is a maximum.
            let events = u32::try_from(events).expect("a request has a hundred events");
            sleep_until((begun + pause_of_one * events).min(self.run.until)).await;
        }
    }

    /// Whether it was acknowledged.
    async fn deliver(&mut self, request: &Request) -> bool {
        let give_up = self.run.until + TRIES_END;
        while Instant::now() < give_up {
            let sent = Instant::now();
            match self.client.post(request.route, request.body.clone()).await {
                Ok(answer) if answer.status == 200 => {
                    self.run.check_trust(sent);
                    self.acknowledged(request, &answer);
                    return true;
                }
                Ok(answer) if answer.status == 503 => self.unavailable(&answer),
                Ok(answer) => {
                    let told = || format!("ingest answered {} to events: {}", answer.status, answer.text);
                    self.run.note(Kind::Answer, 1, told);
                    return false;
                }
                Err(_) => {}
            }
            self.run.tally.borrow_mut().retries += 1;
            sleep(random::between(&mut self.random, RETRY_MS.0, RETRY_MS.1)).await;
        }
        self.run.note(Kind::Unfinished, request.events(), || format!("not acknowledged within {TRIES_END:?}"));
        false
    }

    fn acknowledged(&self, request: &Request, answer: &Answer) {
        let mut account = self.run.account.borrow_mut();
        for visit in &request.visits {
            account.add(visit);
        }
        self.run.tally.borrow_mut().resends += request.repeats;
        // What is no JSON has none of the fields.
        let body = serde_json::from_str(&answer.text).unwrap_or_default();
        if let Err(told) = request.check(&body) {
            self.run.note(Kind::Answer, 1, || told);
        }
    }

    fn unavailable(&self, answer: &Answer) {
        self.run.tally.borrow_mut().unavailable += 1;
        if !answer.headers.contains_key("retry-after") {
            self.run.note(Kind::Answer, 1, || "ingest answered 503 without Retry-After".to_owned());
        }
    }

    fn is_time_to_resend(&mut self) -> bool {
        !self.run.options.no_resends && self.visits.random().random_range(0..RESEND_ONE_IN) == 0
    }

    /// One of the events that were acknowledged before.
    fn earlier(&mut self) -> Option<Visit> {
        if !self.is_time_to_resend() || self.kept.is_empty() {
            return None;
        }
        let place = self.visits.random().random_range(0..self.kept.len());
        self.kept.get(place).cloned()
    }
}
