use std::time::Duration;

use anyhow::{Context, Result};
use async_nats::{Client, ConnectOptions, Event};
use launcher::servers::nats::NatsUser;
use sqlx::AssertSqlSafe;
use testkit::clients::load::event;
use testkit::failure::TestResult;
use testkit::observe::log;
use testkit::stack::{DATABASE, DatabaseUser, Stack};
use tokio::sync::mpsc;

const SOON: Duration = Duration::from_secs(30);

/// A service's user, and what the server tells it.
async fn connect(stack: &Stack, user: NatsUser, inbox: &str) -> Result<(Client, mpsc::UnboundedReceiver<String>)> {
    let user = stack.nats.user(user);
    let (sender, told) = mpsc::unbounded_channel();
    let options = ConnectOptions::new()
        .user_and_password(user.user, user.password)
        .custom_inbox_prefix(inbox)
        .event_callback(move |event| {
            if let Event::ServerError(err) = event {
                let _ = sender.send(err.to_string());
            }
            std::future::ready(())
        });
    Ok((options.connect(stack.nats.url()).await?, told))
}

/// The server refuses each of the subjects.
async fn check_no_publishing(
    client: &Client,
    told: &mut mpsc::UnboundedReceiver<String>,
    subjects: &[&str],
) -> Result<()> {
    for subject in subjects {
        client.publish((*subject).to_owned(), "{}".into()).await?;
        check_told(told, &format!("Permissions Violation for Publish to \"{subject}\"")).await?;
    }
    Ok(())
}

async fn check_told(told: &mut mpsc::UnboundedReceiver<String>, sentence: &str) -> Result<()> {
    let said = tokio::time::timeout(SOON, told.recv()).await.with_context(|| format!("no program said {sentence}"))?;
    let said = said.context("the connection is closed")?;
    assert!(said.to_lowercase().contains(&sentence.to_lowercase()), "{said} instead of {sentence}");
    Ok(())
}

#[tokio::test]
async fn users_of_the_log_may_do_their_work_and_nothing_else() -> TestResult {
    let stack = Stack::servers().await?;
    let operator = stack.log().await?;
    operator.create_stream(log::declared(0)).await?;
    operator.publish("events.0", event("site", "/").into()).await?.await?;

    let (ingest, mut told) = connect(&stack, NatsUser::Ingest, "_INBOX_ingest").await?;
    check_no_publishing(
        &ingest,
        &mut told,
        &[
            "$JS.API.STREAM.MSG.GET.EVENTS_0",
            "$JS.API.DIRECT.GET.EVENTS_0",
            "$JS.API.DIRECT.GET.EVENTS_0.events.0",
            "$JS.API.STREAM.SNAPSHOT.EVENTS_0",
            "$JS.API.STREAM.UPDATE.EVENTS_0",
            "$JS.API.STREAM.PURGE.EVENTS_0",
            "$JS.API.STREAM.DELETE.EVENTS_0",
            "$JS.API.STREAM.MSG.DELETE.EVENTS_0",
            "$JS.API.CONSUMER.CREATE.EVENTS_0",
            "$JS.API.CONSUMER.CREATE.EVENTS_0.mine",
            "$JS.API.CONSUMER.DURABLE.CREATE.EVENTS_0.mine",
            "$JS.API.CONSUMER.MSG.NEXT.EVENTS_0.mine",
            "other.0",
        ],
    )
    .await?;
    let _listening = ingest.subscribe("events.>").await?;
    check_told(&mut told, "Permissions Violation for Subscription to \"events.>\"").await?;

    let (projector, mut told) = connect(&stack, NatsUser::Projector, "_INBOX_projector").await?;
    check_no_publishing(
        &projector,
        &mut told,
        &[
            "events.0",
            "$JS.API.STREAM.CREATE.EVENTS_9",
            "$JS.API.STREAM.UPDATE.EVENTS_0",
            "$JS.API.STREAM.PURGE.EVENTS_0",
            "$JS.API.STREAM.DELETE.EVENTS_0",
            "$JS.API.STREAM.MSG.DELETE.EVENTS_0",
        ],
    )
    .await?;
    let _listening = projector.subscribe("_INBOX_ingest.>").await?;
    check_told(&mut told, "Permissions Violation for Subscription to \"_INBOX_ingest.>\"").await?;

    // The projector reads what it may; the stream is as it was.
    let seen = async_nats::jetstream::new(projector).get_stream("EVENTS_0").await?;
    assert_eq!(seen.get_raw_message(1).await?.payload, event("site", "/"));
    assert_eq!(seen.get_info().await?.state.messages, 1);
    Ok(())
}

#[tokio::test]
async fn roles_of_the_database_may_do_their_work_and_nothing_else() -> TestResult {
    const INSUFFICIENT_PRIVILEGE: &str = "42501";
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    assert_eq!(stack.ingest_client.post("/event", event("site", "/")).await?.status, 200);
    let picture = stack.drained(DATABASE).await?;
    let writes = [
        "insert into view_total select * from view_total",
        "update view_total set views = views + 1",
        "delete from view_total",
        "truncate view_total",
        "update checkpoint set stream_sequence = 0",
        "update generation set status = 'retired'",
    ];
    let schema_changes = [
        "create table mine (id int)",
        "drop table view_total",
        "drop table checkpoint",
        "alter table view_total add column mine int",
        "create role mine",
        "delete from view_total",
        "truncate view_total_g1",
        "drop table view_total_g1",
        "delete from _sqlx_migrations",
    ];
    for (user, statements) in [
        (DatabaseUser::Query, [writes.as_slice(), &schema_changes].concat()),
        (DatabaseUser::Projector, schema_changes.to_vec()),
    ] {
        let pool = stack.database_of(user)?;
        // Otherwise a refusal could be that of the session's setting.
        sqlx::query("set default_transaction_read_only = off").execute(&pool).await?;
        sqlx::query("select views from view_total").fetch_one(&pool).await?;
        for statement in statements {
            let outcome = sqlx::query(AssertSqlSafe(statement)).execute(&pool).await;
            let code = outcome.err().and_then(|err| err.as_database_error()?.code().map(String::from));
            assert_eq!(code.as_deref(), Some(INSUFFICIENT_PRIVILEGE), "{user:?}: {statement}");
        }
    }
    assert_eq!(stack.drained(DATABASE).await?, picture);
    Ok(())
}
