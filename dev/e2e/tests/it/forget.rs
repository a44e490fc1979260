use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::HeaderMap;
use async_nats::jetstream::stream::Config;
use futures_util::future::Either;
use serde_json::Value;
use sqlx::PgPool;
use testkit::clients::load::{self, Load};
use testkit::failure::TestResult;
use testkit::observe::log;
use testkit::observe::snapshot::{self, views_by_path};
use testkit::stack::{Answered, DATABASE, Stack};
use testkit::wait;

use crate::exactly_once::{fill, folded_undisturbed, traffic};
use crate::observe::remains::files_with;

const SOON: Duration = Duration::from_mins(1);

/// A user id that is no part of any other one, nor of a path.
const ANN: &str = "ann-who-is-forgotten";
const GONE: &str = "gone.example";

/// What ingest is set to by default. The log's envelopes are younger than that.
const DEADLINE: [&str; 2] = ["--publish-deadline-ms", "5000"];

const ENVELOPES: [usize; 3] = [1, 5, 13];

/// Traffic of which a part is Ann's, and a part another site's. The first and the last events are, too.
fn lines() -> Vec<String> {
    let mut lines = traffic();
    let last = lines.len() - 1;
    for (number, line) in lines.iter_mut().enumerate() {
        let mut event: Value = serde_json::from_str(line).expect("an event");
        if number % 4 == 0 || number > last - 30 {
            event["site_id"] = GONE.into();
        }
        if number % 12 == 0 || number > last - 30 {
            event["user_id"] = ANN.into();
        }
        *line = event.to_string();
    }
    lines
}

/// Unreadable lines: some name Ann and her site, or break off before they do.
fn unreadable() -> Vec<String> {
    [
        format!(r#"{{"site_id":"{GONE}","user_id":"{ANN}","path":7}}"#),
        format!(r#"{{"user_id":"{ANN}","site_id":"{GONE}","path""#),
        r#"{"site_id":"made-up.example","path":7}"#.to_owned(),
        "nothing".to_owned(),
    ]
    .to_vec()
}

fn is_of(line: &str, site: &str, user: Option<&str>) -> bool {
    let names = |name: &str| line.contains(&format!("\"{name}\""));
    names(site) && user.is_none_or(names)
}

/// A stack with that traffic in its log, all of it counted.
async fn stack_of(lines: &[String], unreadable: &[String]) -> TestResult<Stack> {
    let stack = Stack::servers().await?;
    let ingest = stack.ingest(&[("PARTITIONS", "1")]).await?;
    ingest.stop().await;
    // Without the envelope that `fill` begins with, an erased one would never be the first.
    let envelope = lines[..3].join("\n");
    stack.log().await?.publish("events.0", envelope.into()).await?.await?;
    fill(&stack.log().await?, "events.0", &lines[3..], &ENVELOPES).await?;
    let parked = unreadable.join("\n");
    stack.log().await?.publish("events.0", parked.into()).await?.await?;
    fill(&stack.log().await?, "events.0", &lines[lines.len() - 20..], &[4]).await?;
    Ok(stack)
}

/// A site, or one of its users.
type Whom<'a> = (&'a str, Option<&'a str>);

/// What is counted where they were never sent.
async fn without(whom: &[Whom<'_>]) -> TestResult<Vec<String>> {
    let is_kept = |line: &String| !whom.iter().any(|(site, user)| is_of(line, site, *user));
    let kept = |lines: &[String]| lines.iter().filter(|line| is_kept(line)).cloned().collect::<Vec<_>>();
    let all = lines();
    let stack = Stack::servers().await?;
    stack.ingest(&[("PARTITIONS", "1")]).await?.stop().await;
    let log = stack.log().await?;
    let first = kept(&all[..3]);
    if !first.is_empty() {
        log.publish("events.0", first.join("\n").into()).await?.await?;
    }
    fill(&log, "events.0", &kept(&all[3..]), &ENVELOPES).await?;
    log.publish("events.0", kept(&unreadable()).join("\n").into()).await?.await?;
    fill(&log, "events.0", &kept(&all[all.len() - 20..]), &[4]).await?;
    Ok(folded_undisturbed(&stack, "undisturbed").await?)
}

/// Where a text stands, but for what Postgres has logged ahead.
fn lies_in(folder: &Path, text: &str) -> Result<Vec<PathBuf>> {
    files_with(folder, text, &["pg_wal"])
}

async fn forget(stack: &Stack, whom: &[&str]) -> Result<Answered> {
    stack.operate_on_log(&[&["forget"], whom, &DEADLINE].concat()).await
}

async fn deleted(stack: &Stack) -> Option<u64> {
    let info = stack.log().await.ok()?.get_stream("EVENTS_0").await.ok()?;
    let state = &info.cached_info().state;
    Some(state.last_sequence - state.messages)
}

async fn records(pool: &PgPool) -> Result<Vec<(String, i64, i64, bool)>> {
    let records = "select kind, events, envelopes, finished_at is not null and whose is null from erasure order by 1";
    Ok(sqlx::query_as(records).fetch_all(pool).await?)
}

#[tokio::test]
async fn a_user_is_found_nowhere_and_everybody_else_counts_while_traffic_goes_on() -> TestResult {
    let expected = without(&[(GONE, Some(ANN))]).await?;
    let stack = stack_of(&lines(), &unreadable()).await?;
    let _ingest = stack.ingest(&[("PARTITIONS", "2")]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    let pool = stack.database(DATABASE)?;
    sqlx::query("checkpoint").execute(&pool).await?;
    assert!(lies_in(stack.folder(), ANN)?.len() >= 2, "in the log, and among parked events");
    let of_ann = || lines().into_iter().enumerate().filter(|(_, line)| is_of(line, GONE, Some(ANN)));

    let load = Load::start(&stack.ingest_client, 4);
    wait::until("events are acknowledged", SOON, async || (load.acknowledged() > 500).then_some(())).await;
    let whom = ["--site", GONE, "--user", ANN];
    let dry = forget(&stack, &[&whom[..], &["--dry-run"]].concat()).await?;
    assert!(dry.is_success && deleted(&stack).await == Some(0), "{dry:?}");
    let said = forget(&stack, &whom).await?;
    assert!(said.is_success && said.text.contains("Done: reports come from generation"), "{said:?}");
    let count =
        of_ann().count() + 2 + lines()[lines().len() - 20..].iter().filter(|l| is_of(l, GONE, Some(ANN))).count();
    assert!(dry.text.starts_with(&format!("{count} events in ")), "{count}: {dry:?}");
    assert!(
        said.text.starts_with(&dry.text.replace(" would be erased.\n", " erased from the log.")),
        "{dry:?} {said:?}"
    );

    let heard = load.stop().await;
    let counted = stack.drained(DATABASE).await?;
    heard.check_counted(&views_by_path(&pool, load::SITES).await?);
    let others: Vec<_> = counted.into_iter().filter(|row| !row.contains(load::SITES)).collect();
    assert_eq!(others, expected, "row by row and sketch byte by byte");
    assert!(stack.operate(&["verify", "--with-ids"]).await?.contains("nothing differs"));
    sqlx::query("checkpoint").execute(&pool).await?;
    assert_eq!(lies_in(stack.folder(), ANN)?, Vec::<PathBuf>::new());
    let records = records(&pool).await?;
    assert_eq!(records.len(), 1);
    assert_eq!((records[0].0.as_str(), records[0].1, records[0].3), ("user", i64::try_from(count)?, true));

    let again = forget(&stack, &whom).await?;
    assert!(again.is_success && again.text.starts_with("0 events in 0 envelopes erased"), "{again:?}");
    Ok(())
}

/// Runs it until something is so, and kills it then.
async fn killed_when(stack: &Stack, whom: &[&str], what: &str, is_so: impl AsyncFn() -> Option<()>) -> Result<()> {
    let forgetting = Box::pin(forget(stack, whom));
    let waiting = Box::pin(wait::until(what, SOON, is_so));
    match futures_util::future::select(forgetting, waiting).await {
        Either::Left((said, _)) => panic!("it ended before it was killed: {:?}", said?),
        Either::Right(((), forgetting)) => drop(forgetting),
    }
    Ok(())
}

#[tokio::test]
async fn a_site_is_forgotten_by_a_run_that_goes_on_after_it_was_killed() -> TestResult {
    let expected = without(&[(GONE, None)]).await?;
    let stack = stack_of(&lines(), &unreadable()).await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    let pool = stack.database(DATABASE)?;
    let whom = ["--site", GONE];
    let log = stack.log().await?;
    let receipt = "0-1-1";
    let kept = log::line(&log, receipt).await?;

    killed_when(&stack, &whom, "some are deleted", async || (deleted(&stack).await? > 20).then_some(())).await?;
    let halfway = deleted(&stack).await.context("the log is away")?;
    // Who folds now finds both: envelopes, and what stands for some.
    projector.process.kill().await;
    let _projector = stack.projector(DATABASE, &[]).await?;
    killed_when(&stack, &whom, "read models are built", async || {
        let building = "select 1 from generation where status = 'building'";
        sqlx::query(building).fetch_optional(&pool).await.ok()?.map(|_| ())
    })
    .await?;
    assert!(deleted(&stack).await > Some(halfway), "the second run went on");
    let unfinished = records(&pool).await?;
    assert!(!unfinished[0].3, "{unfinished:?}");

    let said = forget(&stack, &whom).await?;
    assert!(said.is_success && said.text.contains("Done: "), "{said:?}");
    assert_eq!(stack.drained(DATABASE).await?, expected, "row by row and sketch byte by byte");
    assert_eq!(folded_undisturbed(&stack, "again").await?, expected, "folded anew from the first sequence");
    let site = sqlx::query_scalar::<_, i64>("select count(*) from view_daily where site_id = $1");
    assert_eq!(site.bind(GONE).fetch_one(&pool).await?, 0, "in no generation");
    let left = log.get_stream("AMENDED_0").await?.get_last_raw_message_by_subject("amended.0.1").await?;
    let left = String::from_utf8(left.payload.to_vec())?;
    assert_eq!(left.split('\n').nth(1), Some(kept.as_str()), "{receipt} is still that of its event");
    let finished = records(&pool).await?;
    assert!(finished.len() == 1 && finished[0].3, "{finished:?}");
    Ok(())
}

#[tokio::test]
async fn two_at_once_keep_nothing_of_each_other() -> TestResult {
    let expected = without(&[(GONE, Some(ANN)), ("made-up.example", Some("user-7"))]).await?;
    let stack = stack_of(&lines(), &unreadable()).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    let (ann, seven) = (["--site", GONE, "--user", ANN], ["--site", "made-up.example", "--user", "user-7"]);
    // They have envelopes in common. Who builds read models drops those that the other one is building, which fails then.
    let (first, second) = futures_util::future::try_join(forget(&stack, &ann), forget(&stack, &seven)).await?;
    for (said, whom) in [(first, ann), (second, seven)] {
        let said = if said.is_success { said } else { forget(&stack, &whom).await? };
        assert!(said.is_success, "{said:?}");
    }
    assert_eq!(stack.drained(DATABASE).await?, expected, "row by row and sketch byte by byte");
    assert_eq!(folded_undisturbed(&stack, "again").await?, expected, "folded anew from the first sequence");
    let records = records(&stack.database(DATABASE)?).await?;
    assert!(records.len() == 2 && records.iter().all(|record| record.3), "{records:?}");
    Ok(())
}

/// A log was lost and made anew, and what stood for its envelopes was left behind.
#[tokio::test]
async fn what_is_left_of_another_log_takes_no_events_away() -> TestResult {
    let expected = without(&[(GONE, Some(ANN))]).await?;
    let stack = stack_of(&lines(), &unreadable()).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    let log = stack.log().await?;
    let subjects = vec!["amended.0.*".to_owned()];
    log.create_stream(Config { name: "AMENDED_0".to_owned(), subjects, ..Config::default() }).await?;
    for sequence in 1..=60 {
        let mut headers = HeaderMap::new();
        headers.insert("Logged-At", "2020-01-01T00:00:00.000000000Z");
        headers.insert("Event-Count", "0");
        log.publish_with_headers(format!("amended.0.{sequence}"), headers, "".into()).await?.await?;
    }
    assert!(
        stack.operate(&["verify"]).await?.contains("nothing differs"),
        "no redaction is read for an envelope that is there"
    );
    let said = forget(&stack, &["--site", GONE, "--user", ANN]).await?;
    assert!(said.is_success, "{said:?}");
    assert_eq!(stack.drained(DATABASE).await?, expected, "row by row and sketch byte by byte");
    Ok(())
}

#[tokio::test]
async fn who_may_not_erase_is_told_so_and_nothing_is_touched() -> TestResult {
    let stack = stack_of(&lines()[..200], &[]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    let whom = ["forget", "--site", GONE];
    let refused = stack.operate_with(&[], &whom).await?;
    assert!(!refused.is_success && refused.complaint.contains("the log's user `operator`"), "{refused:?}");
    let refused = stack.operate_on_log(&["forget", "--site", "no site"]).await?;
    assert!(!refused.is_success && refused.complaint.contains("--site is no site's name"), "{refused:?}");

    let log = stack.log().await?;
    let mut config = log.get_stream("EVENTS_0").await?.cached_info().config.clone();
    config.deny_delete = true;
    log.update_stream(config).await?;
    let refused = stack.operate_on_log(&whom).await?;
    assert!(!refused.is_success && refused.complaint.contains("docs/operations.md"), "{refused:?}");
    assert_eq!((deleted(&stack).await, records(&stack.database(DATABASE)?).await?.len()), (Some(0), 0));
    assert!(!snapshot::read_models(&stack.database(DATABASE)?).await?.is_empty());
    Ok(())
}
