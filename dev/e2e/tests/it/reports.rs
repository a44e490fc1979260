use anyhow::Result;
use chrono::{Days, NaiveDate};
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use testkit::clients::http::Client;
use testkit::failure::TestResult;
use testkit::observe::summaries;
use testkit::stack::{DATABASE, Stack};

/// Events, and what they count to.
mod plain;

/// What is asked for beside the days: other parameters, parts of months, and what is pushed.
mod options;

use plain::{QUIET_SITES, SITES, Sent, TYPES, count};

const EVENTS: usize = 4_000;

/// The last of them: fewer than there are sites, types and months.
const LATE_EVENTS: usize = 40;

/// Questions of each kind, each time.
const QUESTIONS: usize = 25;

/// Every report of random events says what a plain count of the same events says. The seed is printed; set
/// `TIDEMARK_SEED` to it to see the same again.
#[tokio::test]
async fn every_report_says_what_a_plain_count_says() -> TestResult {
    let seed = std::env::var("TIDEMARK_SEED").map_or_else(|_| rand::random(), |seed| seed.parse().expect("a number"));
    println!("seed {seed}");
    let mut events = plain::events(EVENTS, LATE_EVENTS, seed);
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let _query = stack.query().await?;
    let mut random = StdRng::seed_from_u64(seed);
    // Months are summed up when everything is there, and then some more events come: of some months the summary is no
    // longer right, and later it is again.
    let (early, late) = events.split_at(EVENTS - LATE_EVENTS);
    let pool = stack.database(DATABASE)?;
    let mut receipt = String::new();
    for (part, events) in [(early, early), (late, &events)] {
        receipt = post(&stack, part, &mut random).await?;
        stack.drained(DATABASE).await?;
        let asking = Asking { client: &stack.query_client, events, receipt: &receipt };
        asking.everything(&mut random).await?;
        summaries::complete(&pool).await;
        asking.everything(&mut random).await?;
    }
    // Nothing of a forgotten user counts any more; a site that other users visited keeps these.
    for (site_id, user) in [(SITES[0], Some(7)), (QUIET_SITES[0], None)] {
        forget(&stack, site_id, user).await?;
        events.retain(|event| event.site_id != site_id || user.is_some_and(|user| event.user != Some(user)));
        stack.drained(DATABASE).await?;
        Asking { client: &stack.query_client, events: &events, receipt: &receipt }.everything(&mut random).await?;
    }
    summaries::complete(&pool).await;
    Ok(Asking { client: &stack.query_client, events: &events, receipt: &receipt }.everything(&mut random).await?)
}

async fn forget(stack: &Stack, site_id: &str, user: Option<u32>) -> Result<()> {
    let mut arguments = ["forget", "--publish-deadline-ms", "5000", "--site", site_id].map(str::to_owned).to_vec();
    arguments.extend(user.into_iter().flat_map(|user| ["--user".to_owned(), format!("user-{user}")]));
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let said = stack.operate_on_log(&arguments).await?;
    assert!(said.is_success && said.text.contains("Done"), "{said:?}");
    Ok(())
}

/// One by one and in batches, and some of them twice. Answers where the last one lies.
async fn post(stack: &Stack, events: &[Sent], random: &mut StdRng) -> Result<String> {
    let mut lines: Vec<&str> = events.iter().map(|event| event.json.as_str()).collect();
    let again: Vec<_> = lines.choose_multiple(random, 100).copied().collect();
    lines.extend(again);
    lines.shuffle(random);
    let (single, batched) = lines.split_at(lines.len() / 4);
    for line in single {
        assert_eq!(stack.ingest_client.post("/event", (*line).to_owned()).await?.status, 200);
    }
    let mut receipt = String::new();
    for batch in batched.chunks(300) {
        let answer = stack.ingest_client.post("/events", batch.join("\n")).await?;
        assert_eq!(answer.json()["rejected"], 0, "{}", answer.text);
        answer.json()["receipts"][0].as_str().expect("a receipt").clone_into(&mut receipt);
    }
    Ok(receipt)
}

/// One question: traffic of a site and type on some days.
#[derive(Debug)]
struct Question {
    site_id: &'static str,
    event_type: &'static str,
    first: Option<NaiveDate>,
    last: Option<NaiveDate>,
}

impl Question {
    fn random(random: &mut StdRng) -> Self {
        let is_quiet = random.random_ratio(1, 3);
        let (begin, length) = if is_quiet { plain::quiet_days() } else { plain::days() };
        let mut day = || begin - Days::new(5) + Days::new(random.random_range(0..length + 10));
        let (one, other) = (day(), day());
        let (first, last) = *[(None, None), (Some(one), None), (None, Some(one)), (Some(one), Some(one))]
            .choose(random)
            .filter(|_| random.random_ratio(1, 2))
            .unwrap_or(&(Some(one.min(other)), Some(one.max(other))));
        Self {
            site_id: if is_quiet { QUIET_SITES.choose(random) } else { SITES.choose(random) }.expect("a site"),
            event_type: if is_quiet { TYPES[0] } else { TYPES.choose(random).expect("a type") },
            first,
            last,
        }
    }

    fn days(&self) -> String {
        match (self.first, self.last) {
            (Some(first), Some(last)) if first == last => format!("&date={first}"),
            (first, last) => {
                let day =
                    |name: &str, day: Option<NaiveDate>| day.map_or(String::new(), |day| format!("&{name}={day}"));
                day("from", first) + day("to", last).as_str()
            }
        }
    }

    /// Whether an event is of the site and of the days.
    fn is_about(&self, event: &Sent) -> bool {
        let is_in = self.first.is_none_or(|first| first <= event.day) && self.last.is_none_or(|last| event.day <= last);
        event.site_id == self.site_id && is_in
    }
}

/// Asks, and compares.
struct Asking<'a> {
    client: &'a Client,
    events: &'a [Sent],
    /// Where one of them lies.
    receipt: &'a str,
}

impl Asking<'_> {
    async fn everything(&self, random: &mut StdRng) -> Result<()> {
        for _ in 0..QUESTIONS {
            let question = Question::random(random);
            self.stats(&question).await?;
            self.options(&question, random).await?;
            let interval = ["day", "week", "month"].choose(random).expect("an interval");
            self.timeseries(&question, interval).await?;
            self.paths(&question, random).await?;
            self.event_types(&question).await?;
            self.sites(&question, random).await?;
        }
        self.parts_of_months(random).await?;
        self.pushed().await
    }

    fn of<'a>(&'a self, question: &'a Question) -> impl Iterator<Item = &'a Sent> + Clone {
        self.events.iter().filter(|event| event.event_type == question.event_type && question.is_about(event))
    }

    async fn json(&self, path: &str) -> Result<Value> {
        let answer = self.client.get(path).await?;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        Ok(answer.json())
    }

    /// Asks for the report as CSV: the names of the columns, and then these rows.
    async fn assert_table(&self, path: &str, rows: impl Iterator<Item = Vec<String>>) -> Result<()> {
        let answer = self.client.get(&format!("{path}&format=csv")).await?;
        let lines: Vec<_> =
            rows.map(|row| row.iter().map(|cell| plain::cell(cell)).collect::<Vec<_>>().join(",")).collect();
        assert_eq!(
            answer.text.split("\r\n").skip(1).collect::<Vec<_>>(),
            [lines, vec![String::new()]].concat(),
            "{path}"
        );
        Ok(())
    }

    async fn stats(&self, question: &Question) -> Result<()> {
        let path = format!(
            "/stats?site_id={}&event_type={}&limit=4{}",
            question.site_id,
            question.event_type,
            question.days()
        );
        let (views, users) = count(self.of(question));
        let top: Vec<_> = plain::ranked(self.of(question).map(|event| event.path)).into_iter().take(4).collect();
        let top: Vec<_> = top.into_iter().map(|(path, views)| json!({"path": path, "views": views})).collect();
        let report = self.json(&path).await?;
        let said = [&report["total_views"], &report["unique_users"], &report["top_paths"]];
        assert_eq!(said, [&json!(views), &json!(users), &json!(top)], "{path}");
        let (Some(first), Some(last)) = (question.first, question.last) else { return Ok(()) };
        let length = Days::new((last - first).num_days().unsigned_abs() + 1);
        let before = Question { first: Some(first - length), last: first.pred_opt(), ..*question };
        let (views, users) = count(self.of(&before));
        let previous = json!({"from": before.first, "to": before.last, "total_views": views, "unique_users": users});
        assert_eq!(self.json(&format!("{path}&compare=previous")).await?["previous"], previous, "{path}");
        Ok(())
    }

    async fn timeseries(&self, question: &Question, interval: &str) -> Result<()> {
        let (Some(first), Some(last)) = (question.first, question.last) else { return Ok(()) };
        let path = format!(
            "/timeseries?site_id={}&event_type={}&from={first}&to={last}&interval={interval}",
            question.site_id, question.event_type
        );
        let buckets: Vec<_> = plain::buckets(interval, first, last)
            .into_iter()
            .map(|(first, last)| {
                let days = Question { first: Some(first), last: Some(last), ..*question };
                (first, last, count(self.of(&days)))
            })
            .collect();
        let expected = buckets.iter().map(|(first, last, (views, users))| {
            json!({"first": first, "last": last, "views": views, "unique_users": users})
        });
        assert_eq!(self.json(&path).await?["buckets"], expected.collect::<Value>(), "{path}");
        let rows = buckets.iter().map(|(first, last, (views, users))| {
            vec![first.to_string(), last.to_string(), views.to_string(), users.to_string()]
        });
        self.assert_table(&path, rows).await
    }

    async fn paths(&self, question: &Question, random: &mut StdRng) -> Result<()> {
        let (prefix, search) = (
            *["", "/", "/a", "/é"].choose(random).expect("one"),
            *["", "a", "b", "%", "_"].choose(random).expect("one"),
        );
        let encoded = |text: &str| text.replace('%', "%25").replace('é', "%C3%A9");
        let path = format!(
            "/paths?site_id={}&event_type={}&prefix={}&search={}{}",
            question.site_id,
            question.event_type,
            encoded(prefix),
            encoded(search),
            question.days()
        );
        let found = self.of(question).map(|event| event.path);
        let found = plain::ranked(found.filter(|path| path.starts_with(prefix) && path.contains(search)));
        let expected: Vec<_> = found.iter().map(|(path, views)| json!({"path": path, "views": views})).collect();
        assert_eq!(self.pages(&path, "paths", random.random_range(1..6)).await?, expected, "{path}");
        self.assert_table(&path, found.iter().map(|(path, views)| vec![(*path).to_owned(), views.to_string()])).await
    }

    async fn event_types(&self, question: &Question) -> Result<()> {
        let path = format!("/events/types?site_id={}{}", question.site_id, question.days());
        let about = self.events.iter().filter(|event| question.is_about(event));
        let types = plain::ranked(about.clone().map(|event| event.event_type));
        let types: Vec<_> = types
            .into_iter()
            .map(|(name, views)| (name, views, count(about.clone().filter(|event| event.event_type == name)).1))
            .collect();
        let expected =
            types.iter().map(|(name, views, users)| json!({"event_type": name, "views": views, "unique_users": users}));
        assert_eq!(self.json(&path).await?["event_types"], expected.collect::<Value>(), "{path}");
        self.assert_table(
            &path,
            types.iter().map(|(name, views, users)| vec![(*name).to_owned(), views.to_string(), users.to_string()]),
        )
        .await
    }

    async fn sites(&self, question: &Question, random: &mut StdRng) -> Result<()> {
        let prefix = *["", "site", "site-a", "site_", "S", "x", "quiet"].choose(random).expect("one");
        let path = format!("/sites?event_type={}&prefix={prefix}", question.event_type);
        let mut sites: Vec<_> = SITES.iter().chain(&QUIET_SITES).filter(|site| site.starts_with(prefix)).collect();
        sites.retain(|site| self.events.iter().any(|event| event.site_id == **site));
        sites.sort();
        let expected: Vec<_> = sites
            .into_iter()
            .map(|site_id| {
                let all = Question { site_id, first: None, last: None, ..*question };
                let (views, users) = count(self.of(&all));
                let last_day = self.of(&all).map(|event| event.day).max();
                json!({"site_id": site_id, "last_day": last_day, "views": views, "unique_users": users})
            })
            .collect();
        assert_eq!(self.pages(&path, "sites", random.random_range(1..4)).await?, expected, "{path}");
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned).replace("null", "");
        let columns = ["site_id", "last_day", "views", "unique_users"];
        self.assert_table(&path, expected.iter().map(|site| columns.map(|name| text(&site[name])).to_vec())).await
    }

    /// The entries of all pages of a list.
    async fn pages(&self, path: &str, name: &str, limit: u32) -> Result<Vec<Value>> {
        let (mut entries, mut cursor) = (Vec::new(), String::new());
        loop {
            let mut page = self.json(&format!("{path}&limit={limit}{cursor}")).await?;
            entries.append(page[name].as_array_mut().expect("entries"));
            let Some(next) = page["next_cursor"].as_str() else { return Ok(entries) };
            cursor = format!("&cursor={next}");
        }
    }
}
