//! Events, and where each must be counted.

use contract::{Partition, SiteId};
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::json;

use crate::chaos::faults::target::PARTITIONS;
use crate::chaos::random;

/// Sites of each partition that the events with an id are about.
const SITES_PER_PARTITION: usize = 2;

/// Days of the events.
pub(in crate::chaos) const DAYS: [&str; 4] = ["2025-11-09", "2025-11-10", "2025-11-11", "2025-11-12"];

/// Types of the events.
pub(in crate::chaos) const EVENT_TYPES: [&str; 3] = ["page_view", "signup", "download"];

/// Paths of a site: fewer than the 1,000 that one report can hold.
const PATHS: u32 = 80;

/// Users of a site: few enough for sketches to be exact to within [`crate::chaos::verdict::ledger::USERS_ERROR_MAX`].
const USERS: u32 = 3_000;

/// Where an event is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::chaos) struct Place {
    pub(in crate::chaos) site_id: String,
    pub(in crate::chaos) event_type: &'static str,
    pub(in crate::chaos) day: &'static str,
    pub(in crate::chaos) path: String,
}

/// An event.
#[derive(Debug, Clone)]
pub(in crate::chaos) struct Visit {
    /// Where it must be counted.
    pub(in crate::chaos) place: Place,
    /// Whom it names.
    pub(in crate::chaos) user: Option<u32>,
    /// What is sent: one line of JSON.
    pub(in crate::chaos) json: String,
}

/// Makes events up, all different.
#[derive(Debug)]
pub(in crate::chaos) struct Visits {
    sites: Vec<String>,
    random: StdRng,
    name: String,
    made: u64,
}

/// The sites that the events with an id are about.
pub(in crate::chaos) fn sites() -> Vec<String> {
    sites_named("chaos", SITES_PER_PARTITION)
}

/// Sites whose names begin so: the same number in every partition.
pub(in crate::chaos) fn sites_named(name: &str, per_partition: usize) -> Vec<String> {
    let partition = |name: &String| {
        let site_id = SiteId::try_from(name.clone()).expect("letters, digits and points make a site");
        Partition::of(&site_id, PARTITIONS)
    };
    let mut sites = Vec::<String>::new();
    for name in (1..).map(|number| format!("{name}-{number}.example")) {
        if sites.len() == per_partition * usize::from(PARTITIONS) {
            break;
        }
        if sites.iter().filter(|site| partition(site) == partition(&name)).count() < per_partition {
            sites.push(name);
        }
    }
    sites
}

impl Visits {
    /// The events of one sender.
    pub(in crate::chaos) fn of(seed: u64, name: String) -> Self {
        Self { sites: sites(), random: random::sequence(seed, &name), name, made: 0 }
    }

    /// A sequence of random numbers for what is done with the events.
    pub(in crate::chaos) fn random(&mut self) -> &mut StdRng {
        &mut self.random
    }

    /// An event of any site.
    pub(in crate::chaos) fn next(&mut self) -> Visit {
        let site_id = random::one_of(&mut self.random, &self.sites).clone();
        self.next_of(site_id)
    }

    /// An event of any site in one partition.
    pub(in crate::chaos) fn next_in(&mut self, partition: Partition) -> Visit {
        loop {
            let visit = self.next();
            let site_id = SiteId::try_from(visit.place.site_id.clone()).expect("one of our sites");
            if Partition::of(&site_id, PARTITIONS) == partition {
                return visit;
            }
        }
    }

    /// A line that is JSON but no event, and must not count.
    pub(in crate::chaos) fn invalid(&mut self) -> String {
        let mut event: serde_json::Value = serde_json::from_str(&self.next().json).expect("made from JSON");
        let (field, value) = match self.random.random_range(0..4) {
            0 => ("site_id", json!(null)),
            1 => ("path", json!("no-slash")),
            2 => ("timestamp", json!("yesterday")),
            _ => ("event_type", json!("not a type")),
        };
        event[field] = value;
        event.to_string()
    }

    fn next_of(&mut self, site_id: String) -> Visit {
        let random = &mut self.random;
        // The product of two uniform numbers is small more often than not: a long tail.
        let path = format!("/page-{}", random.random_range(0..PATHS) * random.random_range(1..=PATHS) / PATHS);
        let user = random.random_bool(0.95).then(|| random.random_range(0..USERS));
        let event_type = *random::one_of(random, &[EVENT_TYPES[0], EVENT_TYPES[0], EVENT_TYPES[1], EVENT_TYPES[2]]);
        let day = *random::one_of(random, &DAYS);
        let second = random.random_range(0..86_400);
        let time = format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60);
        let query = if random.random_bool(0.1) { "?from=mail" } else { "" };
        self.made += 1;
        let json = json!({"event_id": format!("{}-{}", self.name, self.made), "site_id": site_id,
            "event_type": event_type, "path": format!("{path}{query}"), "timestamp": format!("{day}T{time}Z"),
            "user_id": user.map(|user| format!("user-{user}"))})
        .to_string();
        Visit { place: Place { site_id, event_type, day, path }, user, json }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_its_sites() {
        assert_eq!(sites().len(), SITES_PER_PARTITION * usize::from(PARTITIONS));
    }
}
