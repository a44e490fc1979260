//! Messages with headers that no client library writes, as a program with ingest's password may publish them.

use std::time::Duration;

use anyhow::{Context, Result};
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::exactly_once::folded_undisturbed;
use crate::history::{SOON, event, views};

/// A connection that says to the log's server whatever it is told.
struct Raw(BufReader<TcpStream>);

impl Raw {
    async fn connect(stack: &Stack) -> Result<Self> {
        let user = stack.nats.user(launcher::servers::nats::NatsUser::Operator);
        let mut raw = Self(BufReader::new(TcpStream::connect(("127.0.0.1", stack.nats.port())).await?));
        let login = serde_json::json!({
            "verbose": false, "pedantic": false, "headers": true, "no_responders": true,
            "user": user.user, "pass": user.password,
        });
        raw.0.get_mut().write_all(format!("CONNECT {login}\r\nSUB _INBOX.raw 1\r\n").as_bytes()).await?;
        Ok(raw)
    }

    /// Publishes, and waits until the log has stored it.
    async fn publish(&mut self, subject: &str, headers: &[u8], body: &str) -> Result<()> {
        let (length, total) = (headers.len(), headers.len() + body.len());
        let line = format!("HPUB {subject} _INBOX.raw {length} {total}\r\n");
        self.0.get_mut().write_all(&[line.as_bytes(), headers, body.as_bytes(), b"\r\n"].concat()).await?;
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).await?;
            anyhow::ensure!(!line.is_empty() && !line.starts_with("-ERR"), "the server says {line}");
            if line.starts_with("MSG ") {
                let length: usize = line.split_whitespace().next_back().context("a length")?.parse()?;
                let mut answer = vec![0; length + 2];
                self.0.read_exact(&mut answer).await?;
                let answer = String::from_utf8(answer)?;
                anyhow::ensure!(answer.contains("\"seq\""), "the log says {answer}");
                return Ok(());
            }
        }
    }
}

/// Headers, and whether their envelope counts.
fn headers() -> Vec<(Vec<u8>, bool)> {
    let many: Vec<_> = (0..500).map(|number| format!("Name-{number}: {number}\r\n")).collect();
    vec![
        (b"NATS/1.0\r\nSchema: a\0b\r\n\r\n".to_vec(), false),
        (b"NATS/1.0\r\nSchema: a\xffb\r\n\r\n".to_vec(), false),
        (b"NATS/1.0\r\nSchema: event.v1\r\nName: \xff\xfe\r\n\r\n".to_vec(), false),
        (b"NATS/1.0\r\nSchema: a\rb\r\n\r\n".to_vec(), false),
        // The log's server stores no status.
        (b"NATS/1.0 404 gone\r\n\r\n".to_vec(), true),
        (b"NATS/1.0 100 Idle Heartbeat\r\n\r\n".to_vec(), true),
        (b"NATS/1.0 409 Consumer Deleted\r\n\r\n".to_vec(), true),
        (b"NATS/1.0 503\r\n\r\n".to_vec(), true),
        (b"NATS/1.0 nonsense\r\n\r\n".to_vec(), true),
        (b"NATS/1.0\r\nno colon\r\n\r\n".to_vec(), false),
        (b"NATS/1.0\r\na name with spaces: 1\r\n\r\n".to_vec(), false),
        (b"NATS/1.0\r\ntraceparent: \xff\r\n\r\n".to_vec(), false),
        ([b"NATS/1.0\r\nSchema: ", &[b'x'; 60_000][..], b"\r\n\r\n"].concat(), false),
        ([b"NATS/1.0\r\nName: ", &[0xff; 60_000][..], b"\r\n\r\n"].concat(), false),
        ([b"NATS/1.0\r\nName: ", &[b'x'; 60_000][..], b"\r\n\r\n"].concat(), true),
        (format!("NATS/1.0\r\n{}\r\n", many.concat()).into_bytes(), true),
        (b"NATS/1.0\r\n: without a name\r\n\r\n".to_vec(), true),
        (b"NATS/1.0\r\nSchema: event.v1\r\nSchema: event.v2\r\n\r\n".to_vec(), true),
        (b"NATS/1.0\r\nSchema: event.v2\r\nSchema: event.v1\r\n\r\n".to_vec(), false),
        (b"NATS/1.0\r\nSchema: event.v1\r\r\n\r\n".to_vec(), true),
        (b"NATS/1.0\r\nName: 1\r\n\r\r\n\r\n".to_vec(), true),
        (b"NATS/1.0\r\nName: 1\r\n\r2\r\n\r\n".to_vec(), false),
        ("NATS/1.0\r\nSchema:\t\u{b}event.v1\u{85}\u{a0}\r\n\t\r\r\n\r\n".as_bytes().to_vec(), true),
        (b"NATS/1.0\r\n\r\n".to_vec(), true),
    ]
}

/// A stack with all of these in partition 0, each between two envelopes of the site `between`.
async fn poisoned() -> TestResult<Stack> {
    let stack = Stack::servers().await?;
    let log = stack.log().await?;
    let mut raw = Raw::connect(&stack).await?;
    for partition in 0..2 {
        log.create_stream(testkit::observe::log::declared(partition)).await?;
    }
    for (headers, _) in headers() {
        log.publish("events.0", event("between").into()).await?.await?;
        let sent = raw.publish("events.0", &headers, &event("odd")).await;
        sent.with_context(|| format!("publishing {}", headers[..headers.len().min(80)].escape_ascii()))?;
    }
    log.publish("events.0", event("between").into()).await?.await?;
    Ok(stack)
}

async fn parked(stack: &Stack) -> Result<Vec<(i64, i32, String)>> {
    let rows = sqlx::query_as(
        "select stream_sequence, line, reason from parked_event join generation using (generation_id)
         where status = 'active' order by 1, 2",
    );
    Ok(rows.fetch_all(&stack.database(DATABASE)?).await?)
}

/// What of it is parked: the sequence of each that does not count.
fn expected() -> Vec<i64> {
    let numbered = (1..).zip(headers());
    numbered.filter(|(_, (_, counts))| !counts).map(|(number, _)| 2 * number).collect()
}

#[tokio::test]
async fn whatever_headers_an_envelope_has_its_partition_goes_on() -> TestResult {
    let stack = poisoned().await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    let picture = stack.drained(DATABASE).await?;
    let (odd, between) = (headers().iter().filter(|(_, counts)| *counts).count(), headers().len() + 1);
    assert_eq!(views(&stack, "between").await?, i64::try_from(between)?);
    assert_eq!(views(&stack, "odd").await?, i64::try_from(odd)?);
    let found = parked(&stack).await?;
    let sequences: Vec<i64> = found.iter().map(|(sequence, ..)| *sequence).collect();
    assert_eq!(sequences, expected(), "{found:?}");
    assert!(found.iter().all(|(_, line, reason)| *line == -1 && !reason.is_empty()), "{found:?}");
    assert!(found[0].2.contains("is unknown"), "parked by the fold, not because Postgres refuses it: {found:?}");
    assert!(found[1].2.contains("headers cannot be read") && found[1].2.contains("\\xff"), "{found:?}");
    let listed = stack.operate(&["parked", "list"]).await?;
    assert!(listed.contains("sequence 4 the whole envelope"), "{listed}");
    assert_eq!(projector.client.get("/readyz").await?.status, 200);

    // An operator who tries them again changes nothing, and neither does who folds or reads the log otherwise.
    let _ = stack.operate(&["parked", "retry", "--by", "operator"]).await?;
    assert_eq!(parked(&stack).await?.len(), found.len());
    assert!(stack.operate(&["verify"]).await?.contains("nothing differs"));
    assert_eq!(folded_undisturbed(&stack, "again").await?, picture, "row by row");
    Ok(())
}

#[tokio::test]
async fn odd_headers_in_one_partition_disturb_no_other() -> TestResult {
    let stack = poisoned().await?;
    let projector = stack.projector(DATABASE, &[]).await?;
    let log = stack.log().await?;
    let mut raw = Raw::connect(&stack).await?;
    stack.drained(DATABASE).await?;
    for number in 1..=20 {
        raw.publish("events.0", b"NATS/1.0\r\nSchema: a\xffb\r\n\r\n", &event("odd")).await?;
        log.publish("events.1", event("other").into()).await?.await?;
        wait::until("the other partition counts", SOON, async || {
            (views(&stack, "other").await.ok()? == number).then_some(())
        })
        .await;
    }
    stack.drained(DATABASE).await?;
    let said = projector.process.log_tail(10_000);
    let disturbed =
        said.lines().filter(|line| line.contains("Opening the partition again") && line.contains("partition=1"));
    assert_eq!(disturbed.count(), 0, "{said}");

    // Connections that broke, or were given up, are closed: one for questions is left, and one a partition.
    let connections = format!("{}/connz", stack.nats.monitor_url());
    wait::until("no connection is left over", SOON, async || {
        let open: serde_json::Value = reqwest::get(&connections).await.ok()?.json().await.ok()?;
        let names = open["connections"].as_array()?.iter().map(|connection| &connection["name"]);
        (names.filter(|name| *name == "projector").count() <= 3).then_some(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn odd_headers_are_archived_trimmed_restored_and_forgotten_as_others_are() -> TestResult {
    let stack = poisoned().await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let picture = stack.drained(DATABASE).await?;
    let folder = stack.folder().join("archive");
    let archive = folder.to_str().context("a path in UTF-8")?;
    let trim = ["archive", "--to", archive, "--trim", "--publish-deadline-ms", "1"];
    wait::until("everything is trimmed", Duration::from_mins(1), async || {
        let said = stack.operate_on_log(&trim).await.ok()?;
        assert!(said.is_success, "{said:?}");
        let state = stack.log().await.ok()?.get_stream("EVENTS_0").await.ok()?.cached_info().state.clone();
        (state.messages == 0).then_some(())
    })
    .await;
    let said = stack.operate_on_log(&["restore", "--from", archive]).await?;
    assert!(said.is_success, "{said:?}");
    assert_eq!(folded_undisturbed(&stack, "restored").await?, picture, "row by row");
    let said = stack.operate_on_log(&trim).await?;
    assert!(said.is_success, "what is restored is what is archived: {said:?}");
    let said = stack.operate_on_log(&["restore", "--from", archive]).await?;
    assert!(said.is_success, "{said:?}");
    let forget = ["forget", "--site", "odd", "--publish-deadline-ms", "1", "--archive", archive];
    let said = stack.operate_on_log(&forget).await?;
    assert!(said.is_success && said.text.contains("Done: "), "{said:?}");
    assert!(parked(&stack).await?.is_empty());
    Ok(())
}
