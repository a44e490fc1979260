//! Traffic whose counts are known, because a program that knows nothing of Tidemark counted it.
//!
//! A real access log is taken from the folder that `TIDEMARK_TRAFFIC` names, or from `shared/data` beside the project.
//! The log is not part of the project: where it is not at hand, made-up traffic of the same shape takes its place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

/// The real log's name, without the endings of its events and its truth.
const REAL_LOG: &str = "access-2015";

/// Referrers of made-up traffic; the first is that of every other event.
const REFERRERS: [Option<&str>; 10] = [
    None,
    Some(""),
    Some("http://made-up.example/page-0"),
    Some("https://www.made-up.example/page-1?from=mail"),
    Some("http://made-up.example.org/"),
    Some("https://www.google.com/search?q=http://other.example/"),
    Some("https://Google.com:443/"),
    Some("http://mail.example./inbox"),
    Some("android-app://com.example.reader/"),
    Some("about:blank"),
];

/// Events, and what they must count to.
#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    /// Where it comes from.
    pub(crate) source: String,
    /// The one site it is about.
    pub(crate) site_id: String,
    /// One event each.
    pub(crate) lines: Vec<String>,
    /// For all days.
    pub(crate) all_time: Truth,
    /// For each UTC day, `YYYY-MM-DD`.
    pub(crate) days: BTreeMap<String, Truth>,
}

/// What page views must count to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Truth {
    /// Exactly.
    pub(crate) total_views: u64,
    /// Exactly; a report may be off by one.
    pub(crate) unique_users: u64,
    /// The ten most viewed paths, ties in byte order.
    pub(crate) top_paths: Vec<(String, u64)>,
}

impl Traffic {
    /// The real log, or made-up traffic if there is none.
    pub(crate) fn load() -> Self {
        let folder = std::env::var_os("TIDEMARK_TRAFFIC").map_or_else(beside_the_project, PathBuf::from);
        if folder.join(format!("{REAL_LOG}.ndjson")).exists() {
            Self::real(&folder)
        } else {
            Self::made_up(9_999, 2015)
        }
    }

    fn real(folder: &Path) -> Self {
        let read = |ending: &str| {
            let path = folder.join(format!("{REAL_LOG}.{ending}"));
            std::fs::read_to_string(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
        };
        let truth: Value = serde_json::from_str(&read("truth.json")).expect("the truth is JSON");
        let days = truth["days"].as_object().expect("days");
        Self {
            source: folder.display().to_string(),
            site_id: truth["site_id"].as_str().expect("a site").to_owned(),
            lines: read("ndjson").lines().map(str::to_owned).collect(),
            all_time: Truth::read(&truth["all_time"]),
            days: days.iter().map(|(day, truth)| (day.clone(), Truth::read(truth))).collect(),
        }
    }

    /// A site's traffic over four days, the same for the same seed: few paths with most of the views, returning
    /// users, some events without one, some that are no page views, all sorts of referrers. The truth is kept while it
    /// is made up.
    pub(crate) fn made_up(events: usize, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let (mut all_time, mut days) = (Count::default(), BTreeMap::<String, Count>::new());
        let mut lines = Vec::with_capacity(events);
        for number in 0..events {
            // The product of two uniform numbers is small more often than not: a long tail.
            let path = format!("/page-{}", random.random_range(0..40) * random.random_range(0..20));
            let user = (random.random_range(0..97) > 0).then(|| format!("user-{}", random.random_range(0..1_300)));
            let kind = if random.random_range(0..5) < 2 { "page_view" } else { "request" };
            let day = format!("2015-05-{}", 17 + 4 * number / events);
            let second = random.random_range(0..86_400);
            let time = format!("{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60);
            let query = if random.random_bool(0.1) { "?from=mail" } else { "" };
            let referrer = REFERRERS[random.random_range(0..REFERRERS.len()) * random.random_range(0..2)];
            lines.push(
                json!({"event_id": format!("line-{number}"), "site_id": "made-up.example", "event_type": kind,
                       "path": format!("{path}{query}"), "timestamp": format!("{day}T{time}Z"), "user_id": user,
                       "referrer": referrer})
                .to_string(),
            );
            if kind == "page_view" {
                for count in [&mut all_time, days.entry(day).or_default()] {
                    count.add(&path, user.as_deref());
                }
            }
        }
        Self {
            source: format!("made up from seed {seed}"),
            site_id: "made-up.example".to_owned(),
            lines,
            all_time: all_time.truth(),
            days: days.into_iter().map(|(day, count)| (day, count.truth())).collect(),
        }
    }
}

impl Truth {
    fn read(truth: &Value) -> Self {
        let paths = truth["top_paths"].as_array().expect("paths").iter();
        Self {
            total_views: truth["total_views"].as_u64().expect("a number"),
            unique_users: truth["unique_users"].as_u64().expect("a number"),
            top_paths: paths
                .map(|path| {
                    (path["path"].as_str().expect("a path").to_owned(), path["views"].as_u64().expect("a number"))
                })
                .collect(),
        }
    }

    /// Compares a report with ten paths to the truth.
    pub(crate) fn check(&self, what: &str, report: &Value) {
        let said = Self { unique_users: self.unique_users, ..Self::read(report) };
        assert_eq!(&said, self, "{what}");
        let users = report["unique_users"].as_u64().expect("a number");
        assert!(users.abs_diff(self.unique_users) <= 1, "{what}: {users} users instead of {}", self.unique_users);
    }
}

#[derive(Default)]
struct Count {
    views: u64,
    users: BTreeSet<String>,
    paths: BTreeMap<String, u64>,
}

impl Count {
    fn add(&mut self, path: &str, user: Option<&str>) {
        self.views += 1;
        self.users.extend(user.map(str::to_owned));
        *self.paths.entry(path.to_owned()).or_default() += 1;
    }

    fn truth(self) -> Truth {
        let mut top_paths: Vec<_> = self.paths.into_iter().collect();
        top_paths.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
        top_paths.truncate(10);
        Truth { total_views: self.views, unique_users: self.users.len() as u64, top_paths }
    }
}

fn beside_the_project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data")
}
