use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use async_nats::jetstream;
use async_nats::jetstream::stream::{Compression, Config};
use contract::{EventId, SiteId, SketchKey};
use launcher::servers::nats::NatsUser;
use launcher::workspace::Workspace;
use serde_json::Value;
use sqlx::PgPool;
use testkit::failure::TestResult;
use testkit::observe::log;
use testkit::stack::{DATABASE, SKETCH_KEY, Stack};
use testkit::wait;

use crate::exactly_once::{fill, traffic};
use crate::history::SOON;
use crate::observe::remains::{compressed_files, files_with};
use crate::servers::cluster::{Cluster, SERVERS};

/// A user id that is no part of any other one, nor of anything else.
const ANN: &str = "ann-of-whom-nothing-is-left";
const SITE: &str = "made-up.example";

const NOWHERE: [PathBuf; 0] = [];

/// A stream that may have so few bytes when it is made has files of 32 KB: here are several.
const SMALL: i64 = 100_000;

/// Streams whose files are closed soon. What is closed is compressed in partition 0, and as it came in partition 1.
async fn make_streams(log: &jetstream::Context) -> Result<()> {
    for (partition, compression) in [(0, Compression::S2), (1, Compression::None)] {
        let small = Config { max_bytes: SMALL, compression: Some(compression), ..log::declared(partition) };
        let mut config = log.create_stream(small).await?.cached_info().config.clone();
        config.max_bytes = -1;
        log.update_stream(config).await?;
    }
    Ok(())
}

/// A property of one of Ann's events, and of no other user's.
const ANNS_EVENT: &str = "the-first-one-is-anns";

/// Every tenth event is Ann's.
fn lines() -> Vec<String> {
    let anns = |(number, line): (usize, &String)| {
        let mut event: Value = serde_json::from_str(line).expect("an event");
        if number % 10 == 0 {
            event["user_id"] = ANN.into();
        }
        if number == 0 {
            event["event_id"] = ANNS_EVENT.into();
        }
        event.to_string()
    };
    traffic()[..3_000].iter().enumerate().map(anns).collect()
}

/// What cannot be read is parked: a short one, one that breaks off, and a long one, which Postgres keeps elsewhere.
fn unreadable() -> String {
    let long = "p".repeat(6_000);
    [
        format!(r#"{{"site_id":"{SITE}","user_id":"{ANN}","path":7}}"#),
        format!(r#"{{"user_id":"{ANN}","site_id":"{SITE}","path""#),
        format!(r#"{{"site_id":"{SITE}","user_id":"{ANN}","path":["{long}"]}}"#),
    ]
    .join("\n")
}

/// As which Postgres remembers that event's id.
fn anns_digest() -> Result<[u8; 8]> {
    let key: SketchKey = SKETCH_KEY.parse()?;
    Ok(key.event_digest(&SiteId::try_from(SITE)?, &EventId::try_from(ANNS_EVENT)?).0.to_le_bytes())
}

/// A stack that has counted them, and the planner has looked at all tables.
async fn filled() -> TestResult<(Stack, testkit::stack::Projector)> {
    let stack = Stack::servers().await?;
    let pool = stack.database(DATABASE)?;
    // Compressed it could not be found: the test would say less.
    for column in ["parked_event alter column event", "recent_event_id alter column ids"] {
        let external = format!("alter table {column} set storage external");
        sqlx::raw_sql(sqlx::AssertSqlSafe(external)).execute(&pool).await?;
    }
    let log = stack.log().await?;
    make_streams(&log).await?;
    for subject in ["events.0", "events.1"] {
        fill(&log, subject, &lines(), &[1, 5, 13]).await?;
        log.publish(subject, unreadable().into()).await?.await?;
        fill(&log, subject, &lines()[..30], &[4]).await?;
    }
    // At level debug it tells where generations differ, and so names of sites.
    let projector = stack.projector(DATABASE, &[("RUST_LOG", "info")]).await?;
    stack.drained(DATABASE).await?;
    sqlx::query("analyze").execute(&pool).await?;
    Ok((stack, projector))
}

/// What the docs say is to be done in Postgres afterwards.
fn afterwards() -> Result<String> {
    let docs = fs::read_to_string(Workspace::find()?.root().join("docs/operations.md"))?;
    let (_, section) = docs.split_once("### What is left on disks").context("a section")?;
    let (_, sql) = section.split_once("```sql\n").context("statements")?;
    Ok(sql.split_once("```").context("their end")?.0.to_owned())
}

async fn clear_disks(pool: &PgPool) -> Result<()> {
    for statement in afterwards()?.split_inclusive(";\n") {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(pool).await.with_context(|| statement.to_owned())?;
    }
    Ok(())
}

/// Everything that the log's server answers, stream by stream.
async fn messages_with(log: &jetstream::Context, text: &str) -> Result<usize> {
    let mut found = 0;
    for name in ["EVENTS_0", "EVENTS_1", "AMENDED_0", "AMENDED_1"] {
        let stream = log.get_stream(name).await?;
        ensure!(stream.cached_info().state.messages > 0, "{name} is empty");
        for sequence in 1..=stream.cached_info().state.last_sequence {
            if let Ok(message) = stream.get_raw_message(sequence).await {
                found += usize::from(String::from_utf8_lossy(&message.payload).contains(text));
            }
        }
    }
    Ok(found)
}

/// What the planner remembers, compressed where it is long.
async fn statistics_with(pool: &PgPool, text: &str) -> Result<i64> {
    let statistics = "select count(*) from pg_stats
        where concat(most_common_vals::text, histogram_bounds::text) like any (array['%' || $1 || '%', '%' || encode($1::bytea, 'hex') || '%'])";
    Ok(sqlx::query_scalar(statistics).bind(text).fetch_one(pool).await?)
}

fn has(folder: &Path, below: &str) -> Result<bool> {
    Ok(!files_with(&folder.join(below), ANN, &[])?.is_empty())
}

#[tokio::test]
async fn forget_leaves_nothing_in_any_file() -> TestResult {
    let (stack, _projector) = filled().await?;
    let (folder, pool, log) = (stack.folder(), stack.database(DATABASE)?, stack.log().await?);
    let archive = folder.join("archive");
    let archive = archive.to_str().context("a path in UTF-8")?;
    stack.operate(&["archive", "--to", archive]).await?;
    sqlx::query("checkpoint").execute(&pool).await?;
    let events = |partition: u16| format!("nats/store/jetstream/TIDEMARK/streams/EVENTS_{partition}/msgs");
    let closed = async || (compressed_files(&folder.join(events(0))).ok()? > 1).then_some(());
    wait::until("closed files are compressed", SOON, closed).await;
    assert_eq!(compressed_files(&folder.join(events(1)))?, 0);
    for place in [events(0).as_str(), &events(1), "postgres/data/base", "postgres/data/pg_wal", "archive"] {
        assert!(has(folder, place)?, "it is found before, in {place}");
    }
    assert!(statistics_with(&pool, ANN).await? > 0);
    let base = folder.join("postgres/data/base");
    assert!(!files_with(&base, anns_digest()?, &[])?.is_empty(), "ids are remembered");

    let whom = ["forget", "--site", SITE, "--user", ANN, "--publish-deadline-ms", "1", "--archive", archive];
    let said = stack.operate_on_log(&whom).await?;
    assert!(said.is_success && said.text.contains("Done: "), "{said:?}");
    assert_eq!((messages_with(&log, ANN).await?, statistics_with(&pool, ANN).await?), (0, 0));
    assert_eq!(files_with(&folder.join("nats"), ANN, &[])?, NOWHERE);
    assert_eq!(files_with(&folder.join("archive"), ANN, &[])?, NOWHERE);

    sqlx::query("checkpoint").execute(&pool).await?;
    assert_eq!(files_with(&base, anns_digest()?, &[])?, NOWHERE, "ids are forgotten");

    assert!(has(folder, "postgres/data/pg_wal")?, "the write-ahead log has it until it is written over");
    clear_disks(&pool).await?;
    assert_eq!(files_with(folder, ANN, &[])?, NOWHERE);
    assert_eq!(files_with(folder, anns_digest()?, &[])?, NOWHERE);

    let said =
        stack.operate_on_log(&["forget", "--site", SITE, "--publish-deadline-ms", "1", "--archive", archive]).await?;
    assert!(said.is_success && said.text.contains("Done: "), "{said:?}");
    clear_disks(&pool).await?;
    assert_eq!(statistics_with(&pool, SITE).await?, 0);
    assert_eq!(files_with(folder, SITE, &[])?, NOWHERE);
    Ok(())
}

#[tokio::test]
async fn forget_reaches_every_copy_of_a_stream() -> TestResult {
    let mut stack = Stack::servers().await?;
    stack.nats.stop().await;
    let cluster = Cluster::start(&stack).await?;
    let [(_, url), (_, monitors)] = cluster.environment();
    let environment =
        [("NATS_URL", url.as_str()), ("NATS_MONITOR_URLS", &monitors), ("STREAM_REPLICAS", "3"), ("PARTITIONS", "1")];
    stack.ingest(&environment).await?.stop().await;
    let log = cluster.log().await?;
    fill(&log, "events.0", &lines()[..600], &[1, 5, 13]).await?;
    let _projector = stack.projector(DATABASE, &environment[..1]).await?;
    stack.drained_to(&log::ends(&log).await?, DATABASE).await?;
    // Below $SYS are the servers' logs of what they agree on, of which the docs speak.
    let copies = || files_with(cluster.folder(), ANN, &["$SYS"]);
    wait::until("three servers have it", SOON, async || (copies().ok()?.len() == SERVERS).then_some(())).await;

    let user = stack.nats.user(NatsUser::Operator);
    let operator = [("NATS_URL", url.as_str()), ("NATS_USER", &user.user), ("NATS_PASSWORD", &user.password)];
    let whom = ["forget", "--site", SITE, "--user", ANN, "--publish-deadline-ms", "1"];
    let said = stack.operate_with(&operator, &whom).await?;
    assert!(said.is_success && said.text.contains("Done: "), "{said:?}");
    // Two of three have agreed to it; the third one follows.
    wait::until("no server has it", SOON, async || copies().ok()?.is_empty().then_some(())).await;
    let amended = log.get_stream("AMENDED_0").await?;
    assert_eq!(amended.cached_info().config.num_replicas, SERVERS);
    Ok(())
}
