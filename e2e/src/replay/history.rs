//! A log of many events, as a live load makes it: a hundred events an envelope, a hundred sites, a month, paths and users
//! with a long tail.

use anyhow::{Context, Result};
use async_nats::jetstream;
use contract::{Partition, SiteId};
use futures_util::{StreamExt, TryStreamExt, stream};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::time::Instant;

use super::PARTITIONS;

/// Sites of the log.
pub(super) const SITES: u32 = 100;

/// Days of the events, all of November 2025.
pub(super) const DAYS: u32 = 30;

/// Paths of a site.
const PATHS: f64 = 2_000.0;

/// Users of a site.
const USERS: f64 = 20_000.0;

/// Events of one envelope.
const ENVELOPE_EVENTS: u64 = 100;

/// Envelopes on their way at once.
const ON_THEIR_WAY: usize = 512;

/// Envelopes between two lines of progress.
const PROGRESS_ENVELOPES: u64 = 20_000;

/// Publishes so many events, in whole envelopes; answers how many.
pub(super) async fn fill(log: &jetstream::Context, events: u64) -> Result<u64> {
    let begun = Instant::now();
    let envelopes = events.div_ceil(ENVELOPE_EVENTS);
    let sites = sites_by_partition();
    let mut random = StdRng::seed_from_u64(1);
    let made = (0..envelopes).map(|number| {
        let partition = usize::try_from(number % u64::from(PARTITIONS)).expect("a few");
        let lines: Vec<String> = (0..ENVELOPE_EVENTS).map(|_| event(&mut random, &sites[partition])).collect();
        (number, format!("events.{partition}"), lines.join("\n"))
    });
    let publish = |(number, subject, envelope): (u64, String, String)| async move {
        log.publish(subject, envelope.into()).await?.await?;
        anyhow::Ok(number)
    };
    let mut published = stream::iter(made).map(publish).buffered(ON_THEIR_WAY);
    while let Some(number) = published.try_next().await.context("filling the log")? {
        if number % PROGRESS_ENVELOPES == 0 {
            println!("{} of {events} events in the log", number * ENVELOPE_EVENTS);
        }
    }
    println!("{} events in the log after {:.0} s", envelopes * ENVELOPE_EVENTS, begun.elapsed().as_secs_f64());
    Ok(envelopes * ENVELOPE_EVENTS)
}

/// The name of a site.
pub(super) fn site(number: u32) -> String {
    format!("site-{number}.example")
}

/// An event of one of these sites.
pub(super) fn event(random: &mut StdRng, sites: &[String]) -> String {
    let site = &sites[random.random_range(0..sites.len())];
    let second = random.random_range(0..86_400);
    format!(
        r#"{{"site_id":"{site}","event_type":"page_view","path":"/page-{}","user_id":"user-{}","timestamp":"2025-11-{:02}T{:02}:{:02}:{:02}Z"}}"#,
        tail(random, PATHS, 3),
        tail(random, USERS, 2),
        random.random_range(1..=DAYS),
        second / 3_600,
        second / 60 % 60,
        second % 60,
    )
}

fn sites_by_partition() -> Vec<Vec<String>> {
    let mut sites = vec![Vec::new(); usize::from(PARTITIONS)];
    for name in (0..SITES).map(site) {
        let site_id = SiteId::try_from(name.clone()).expect("letters, digits and points make a site");
        sites[usize::from(Partition::of(&site_id, PARTITIONS).number())].push(name);
    }
    sites
}

/// Small numbers more often than large ones.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to a few thousand")]
fn tail(random: &mut StdRng, below: f64, steepness: i32) -> u32 {
    (below * random.random::<f64>().powi(steepness)) as u32
}
