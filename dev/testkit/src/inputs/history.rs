//! A log of many events, with paths and users by Zipf's law: few that come again and again, and a long tail.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use async_nats::jetstream;
use contract::{Partition, SiteId};
use futures_util::{StreamExt, TryStreamExt, stream};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Zipf};
use tokio::time::Instant;

/// Events of one envelope, as a live load makes it.
pub const LIVE_EVENTS: u64 = 100;

/// Envelopes on their way at once.
const ON_THEIR_WAY: usize = 512;

/// Events between two lines of progress.
const PROGRESS_EVENTS: u64 = 2_000_000;

/// What a history is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// What the names of its sites begin with.
    pub name: &'static str,
    /// Each with as many events as any other.
    pub sites: u32,
    /// From the first of November 2025 backwards.
    pub days: u32,
    /// Paths of each site.
    pub paths: u32,
    /// Users of each site.
    pub users: u32,
    /// Events in each envelope.
    pub envelope_events: u64,
}

/// A hundred sites with much traffic.
pub const BUSY: Shape =
    Shape { name: "site", sites: 100, days: 30, paths: 2_000, users: 20_000, envelope_events: LIVE_EVENTS };

/// Ten thousand sites with little.
pub const LONG_TAIL: Shape = Shape { sites: 10_000, ..BUSY };

/// Makes events of such a shape.
#[derive(Debug, Clone)]
pub struct Visits {
    /// Days that they are spread over, back from [`Shape::day`] 0; none: they happen when they are made.
    days: Option<u32>,
    sites: Vec<String>,
    paths: Zipf<f64>,
    users: Zipf<f64>,
    random: StdRng,
}

impl Shape {
    /// The name of a site.
    pub fn site(self, number: u32) -> String {
        format!("{}-{number}.example", self.name)
    }

    /// A day, 0 is the last one.
    pub fn day(number: u32) -> String {
        let last = chrono::NaiveDate::from_ymd_opt(2025, 11, 1).expect("a day");
        (last - chrono::Days::new(number.into())).to_string()
    }

    /// Visits to all of its sites.
    pub fn visits(self, seed: u64) -> Visits {
        self.visits_to((0..self.sites).map(|number| self.site(number)).collect(), seed)
    }

    fn visits_to(self, sites: Vec<String>, seed: u64) -> Visits {
        let zipf = |below: u32| Zipf::new(f64::from(below), 1.0).expect("a number and an exponent");
        let random = StdRng::seed_from_u64(seed);
        Visits { days: Some(self.days), sites, paths: zipf(self.paths), users: zipf(self.users), random }
    }

    fn sites_by_partition(self, partitions: u16) -> Vec<Vec<String>> {
        let mut sites = vec![Vec::new(); usize::from(partitions)];
        for name in (0..self.sites).map(|number| self.site(number)) {
            let site_id = SiteId::try_from(name.clone()).expect("letters, digits and points make a site");
            sites[usize::from(Partition::of(&site_id, partitions).number())].push(name);
        }
        sites
    }

    /// Publishes so many events, in whole envelopes, into streams that exist; answers how many.
    pub async fn fill(self, log: &jetstream::Context, partitions: u16, events: u64) -> Result<u64> {
        let begun = Instant::now();
        let each = self.envelope_events;
        let envelopes = events.div_ceil(each);
        let sites = self.sites_by_partition(partitions).into_iter().enumerate().filter(|(_, sites)| !sites.is_empty());
        let mut visits: Vec<_> =
            sites.map(|(partition, sites)| (format!("events.{partition}"), self.visits_to(sites, 1))).collect();
        let made = (0..envelopes).zip((0..visits.len()).cycle()).map(|(number, turn)| {
            let (subject, visits) = &mut visits[turn];
            (number, subject.clone(), visits.envelope(each))
        });
        let publish = |(number, subject, envelope): (u64, String, String)| async move {
            log.publish(subject, envelope.into()).await?.await?;
            anyhow::Ok(number)
        };
        let mut published = stream::iter(made).map(publish).buffered(ON_THEIR_WAY);
        while let Some(number) = published.try_next().await.context("filling the log")? {
            let published = number * each;
            if published > 0 && published.is_multiple_of(PROGRESS_EVENTS) {
                println!("{published} of {events} events in the log");
            }
        }
        println!("{} events in the log after {:.0} s", envelopes * each, begun.elapsed().as_secs_f64());
        Ok(envelopes * each)
    }
}

impl Visits {
    /// The shape of events that come in while they happen.
    #[must_use]
    pub fn live(self) -> Self {
        Self { days: None, ..self }
    }

    /// The next one, as JSON.
    pub fn event(&mut self) -> String {
        let mut event = String::with_capacity(160);
        self.write(&mut event);
        event
    }

    fn envelope(&mut self, events: u64) -> String {
        let mut envelope = String::new();
        for _ in 0..events {
            self.write(&mut envelope);
            envelope.push('\n');
        }
        envelope
    }

    #[expect(clippy::disallowed_methods, reason = "a client has a clock")]
    fn write(&mut self, to: &mut String) {
        let random = &mut self.random;
        let site = &self.sites[random.random_range(0..self.sites.len())];
        let (path, user) = (self.paths.sample(random), self.users.sample(random));
        let timestamp = match self.days {
            Some(days) => {
                let (day, second) = (Shape::day(random.random_range(0..days)), random.random_range(0..86_400));
                let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
                format!("{day}T{hour:02}:{minute:02}:{second:02}Z")
            }
            None => chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        };
        write!(
            to,
            r#"{{"site_id":"{site}","event_type":"page_view","path":"/page-{path}","user_id":"user-{user}","timestamp":"{timestamp}"}}"#,
        )
        .expect("a text takes everything");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visits_are_events_and_the_same_again() {
        let made: Vec<String> = std::iter::repeat_with({
            let mut visits = BUSY.visits(7);
            move || visits.event()
        })
        .take(1_000)
        .collect();
        for event in &made {
            contract::Event::parse(event.as_bytes()).expect("an event");
        }
        let mut again = BUSY.visits(7);
        assert!(made.iter().all(|event| *event == again.event()));
    }

    #[test]
    fn every_site_lives_in_one_partition() {
        let sites = LONG_TAIL.sites_by_partition(4);
        assert_eq!(sites.iter().map(Vec::len).sum::<usize>(), 10_000);
        assert!(sites.iter().all(|sites| sites.len() > 2_000));
    }
}
