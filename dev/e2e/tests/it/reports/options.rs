use std::collections::BTreeMap;

use anyhow::Result;
use chrono::{Days, Months};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};
use testkit::clients::live::Watcher;

use super::plain::{self, QUIET_SITES, TYPES, count};
use super::{Asking, Question};

/// Hosts of a report.
const HOSTS: usize = 2;

impl Asking<'_> {
    /// A report with everything that can be asked for, and a series with either of its numbers.
    pub(super) async fn options(&self, question: &Question, random: &mut StdRng) -> Result<()> {
        let (site_id, event_type) = (question.site_id, question.event_type);
        let about = format!("site_id={site_id}&event_type={event_type}{}", question.days());
        let path = format!("/stats?{about}&limit={HOSTS}&include=referrers&meta=true&after={}", self.receipt);
        let (views, users) = count(self.of(question));
        let mut report = self.json(&path).await?;
        assert_eq!([&report["total_views"], &report["unique_users"]], [&json!(views), &json!(users)], "{path}");
        assert_eq!(report["referrers"].take(), self.referrers(question), "{path}");
        let exactness = json!({"method": "sparse", "max_abs_error": 3, "confidence": 0.99});
        assert_eq!(report["meta"]["unique_users_error"], exactness, "{path}");

        let (Some(first), Some(last)) = (question.first, question.last) else { return Ok(()) };
        let (metric, other) = *[("views", "unique_users"), ("unique_users", "views")].choose(random).expect("a number");
        let path = format!(
            "/timeseries?site_id={site_id}&event_type={event_type}&from={first}&to={last}&interval=month&metrics={metric}"
        );
        let numbers = plain::buckets("month", first, last).into_iter().map(|(first, last)| {
            let (views, users) = count(self.of(&Question { first: Some(first), last: Some(last), ..*question }));
            json!(if metric == "views" { views } else { users })
        });
        let series = self.json(&path).await?;
        let buckets = series["buckets"].as_array().expect("buckets");
        assert!(buckets.iter().all(|bucket| bucket.get(other).is_none()), "{path}");
        let said: Vec<_> = buckets.iter().map(|bucket| bucket[metric].clone()).collect();
        assert_eq!(said, numbers.collect::<Vec<_>>(), "{path}");
        Ok(())
    }

    fn referrers(&self, question: &Question) -> Value {
        let (mut hosts, mut others) = (Vec::new(), BTreeMap::from([("none", 0), ("own", 0), ("unreadable", 0)]));
        for event in self.of(question) {
            match event.referrer {
                ("host", host) => hosts.push(host),
                (kind, _) => *others.entry(kind).or_insert(0) += 1,
            }
        }
        let top: Vec<_> = plain::ranked(hosts).into_iter().take(HOSTS).collect();
        let top: Vec<_> = top.into_iter().map(|(host, views)| json!({"host": host, "views": views})).collect();
        json!({"top": top, "own": others["own"], "none": others["none"], "unreadable": others["unreadable"]})
    }

    /// Each month of each quiet site, and parts of it.
    pub(super) async fn parts_of_months(&self, random: &mut StdRng) -> Result<()> {
        let (begin, length) = plain::quiet_days();
        let months =
            (0..).map(|number| begin + Months::new(number)).take_while(|first| *first < begin + Days::new(length));
        for (site_id, first) in months.flat_map(|first| QUIET_SITES.map(|site_id| (site_id, first))) {
            let last = first + Months::new(1) - Days::new(1);
            let (day, other) = (random.random_range(0..28), random.random_range(0..28));
            let middle = (first + Days::new(day.min(other)), first + Days::new(day.max(other)));
            for (first, last) in [(first, last), (middle.0, last), (first, middle.1), middle] {
                let part = Question { site_id, event_type: TYPES[0], first: Some(first), last: Some(last) };
                self.timeseries(&part, "month").await?;
                self.stats(&part).await?;
            }
        }
        Ok(())
    }

    /// The totals of today that a client of `GET /live` is told first.
    pub(super) async fn pushed(&self) -> Result<()> {
        for site_id in QUIET_SITES {
            let totals = Watcher::open(self.client, &format!("site_id={site_id}")).await?.totals().await?;
            let day = totals["date"].as_str().expect("a day").parse()?;
            let today = Question { site_id, event_type: TYPES[0], first: Some(day), last: Some(day) };
            let (views, users) = count(self.of(&today));
            assert_eq!([&totals["total_views"], &totals["unique_users"]], [&json!(views), &json!(users)], "{site_id}");
        }
        Ok(())
    }
}
