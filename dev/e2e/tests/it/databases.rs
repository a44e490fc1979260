//! Databases that are addressed, set or reached in other ways than usual: all of it works, or is refused with a sentence.

use std::net::Ipv6Addr;
use std::time::Duration;

use crate::servers::pgbouncer::{Behind, Pgbouncer, Pooling};
use anyhow::{Context, Result};
use launcher::process::Process;
use sqlx::AssertSqlSafe;
use testkit::clients::load::event;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, DatabaseUser, Stack};
use testkit::wait;
use tokio::net::{TcpListener, TcpStream};

const SOON: Duration = Duration::from_secs(30);

/// Where each process finds one database.
struct Urls {
    owner: String,
    projector: String,
    query: String,
}

impl Urls {
    /// The database of each process, reached in another way.
    fn each(stack: &Stack, database: &str, way: impl Fn(String) -> String) -> Self {
        Self {
            owner: way(stack.postgres.owner_url(database)),
            projector: way(stack.url_of(DatabaseUser::Projector, database)),
            query: way(stack.url_of(DatabaseUser::Query, database)),
        }
    }
}

async fn execute(stack: &Stack, statements: &[&str]) -> Result<()> {
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(*statement)).execute(&stack.database(DATABASE)?).await?;
    }
    Ok(())
}

/// Migrates, counts an event, and reads it in a report and in its live totals.
async fn works(stack: &Stack, urls: &Urls) -> Result<()> {
    let migrated = stack.operate_with(&[("DATABASE_URL", &urls.owner)], &["migrate"]).await?;
    assert!(migrated.is_success, "{migrated:?}");
    let _ingest = stack.ingest(&[]).await?;
    let _projector = stack.projector(DATABASE, &[("DATABASE_URL", &urls.projector)]).await?;
    let _query = stack.query_with(&[("DATABASE_URL", &urls.query)]).await?;
    assert_eq!(stack.ingest_client.post("/event", event("site", "/")).await?.status, 200);
    wait::until("the event is reported", SOON, async || {
        let answer = stack.query_client.get("/stats?site_id=site").await.ok()?;
        (answer.status == 200 && answer.text.contains("\"total_views\":1")).then_some(())
    })
    .await;
    let status = stack.operate_with(&[("DATABASE_URL", &urls.projector)], &["status"]).await?;
    assert!(status.is_success && status.text.contains("active"), "{status:?}");
    Ok(())
}

async fn ends_with(process: Process, sentence: &str) -> Result<()> {
    let ended = tokio::time::timeout(SOON, process.exit().wait()).await;
    let status = ended.with_context(|| format!("it goes on: {}", process.log_tail(20)))?;
    assert!(!status.success() && process.log_tail(50).contains(sentence), "{sentence}: {}", process.log_tail(50));
    Ok(())
}

/// All that reads `DATABASE_URL` refuses it.
async fn is_refused(stack: &Stack, urls: &Urls, sentence: &str) -> Result<()> {
    for (url, command) in [(&urls.owner, "migrate"), (&urls.projector, "status")] {
        let refused = stack.operate_with(&[("DATABASE_URL", url)], &[command]).await?;
        assert!(!refused.is_success && refused.complaint.contains(sentence), "{command}: {refused:?}");
    }
    let projector = stack.projector_unready(DATABASE, &[("DATABASE_URL", &urls.projector)])?;
    ends_with(projector.process, sentence).await?;
    ends_with(stack.query_unready(&[("DATABASE_URL", &urls.query)])?, sentence).await?;
    let reading = stack.query_unready(&[("READ_DATABASE_URL", &urls.query)])?;
    ends_with(reading, "READ_DATABASE_URL").await
}

/// A way to a port of this machine over IPv6.
async fn over_ipv6(port: u16) -> Result<u16> {
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.context("listening on ::1")?;
    let own_port = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    Ok(own_port)
}

#[tokio::test]
async fn an_ipv6_address_leads_to_the_database() -> TestResult {
    let stack = Stack::servers().await?;
    let port = over_ipv6(stack.postgres.port()).await?;
    let there = format!("127.0.0.1:{}", stack.postgres.port());
    Ok(works(&stack, &Urls::each(&stack, DATABASE, |url| url.replace(&there, &format!("[::1]:{port}")))).await?)
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_told_by_check_config() -> TestResult {
    let stack = Stack::servers().await?;
    for url in ["postgres://u:sekret@::1:5432/d", "postgres://u:sekret@a,b/d", "mysql://u:sekret@h/d"] {
        let told = stack.operate_with(&[("DATABASE_URL", url)], &["--check-config"]).await?;
        assert!(!told.is_success && told.complaint.contains("DATABASE_URL"), "{told:?}");
        assert!(!format!("{told:?}").contains("sekret"), "{told:?}");
    }
    let accepted =
        stack.operate_with(&[("DATABASE_URL", "postgres://u:sekret@[::1]:5432/d")], &["--check-config"]).await?;
    assert!(accepted.is_success, "only what is wrong is told: {accepted:?}");
    Ok(())
}

#[tokio::test]
async fn a_database_that_lacks_characters_is_refused() -> TestResult {
    let stack = Stack::servers().await?;
    execute(&stack, &["create database latin template template0 encoding 'LATIN1' locale 'C'"]).await?;
    Ok(is_refused(&stack, &Urls::each(&stack, "latin", |url| url), "has the encoding LATIN1").await?)
}

#[tokio::test]
async fn other_settings_of_a_database_and_its_roles_change_nothing() -> TestResult {
    let stack = Stack::servers().await?;
    execute(&stack, &["create database set", "create schema app"]).await?;
    for setting in [
        "search_path = 'app'",
        "default_transaction_read_only = on",
        "default_transaction_isolation = 'serializable'",
        "timezone = 'Pacific/Kiritimati'",
        "datestyle = 'German'",
        "standard_conforming_strings = off",
    ] {
        execute(&stack, &[&format!("alter database set set {setting}")]).await?;
    }
    Ok(works(&stack, &Urls::each(&stack, "set", |url| url)).await?)
}

#[tokio::test]
async fn rights_that_were_lost_are_given_again() -> TestResult {
    let stack = Stack::servers().await?;
    // As a restore without privileges leaves them, in a database that was hardened.
    execute(
        &stack,
        &[
            "revoke all on all tables in schema public from tidemark_projector, tidemark_query",
            "revoke all on all functions in schema public from tidemark_projector, tidemark_query",
            "revoke all on schema public from public",
            "revoke all on database tidemark from public",
        ],
    )
    .await?;
    Ok(works(&stack, &Urls::each(&stack, DATABASE, |url| url)).await?)
}

async fn pooled(stack: &Stack, pooling: Pooling) -> Result<(Pgbouncer, Urls)> {
    let owner = stack.postgres.owner_url(DATABASE);
    let urls = [owner, stack.url_of(DatabaseUser::Projector, DATABASE), stack.url_of(DatabaseUser::Query, DATABASE)];
    let users = urls.each_ref().map(|url| {
        let user = url.trim_start_matches("postgres://").split(['@']).next().unwrap_or_default();
        user.split_once(':').unwrap_or_default()
    });
    let behind = Behind { port: stack.postgres.port(), users: &users };
    let pgbouncer = Pgbouncer::start(&stack.folder().join("pgbouncer"), pooling, behind).await?;
    let [owner, projector, query] = users.map(|(user, password)| pgbouncer.url(user, password, DATABASE));
    Ok((pgbouncer, Urls { owner, projector, query }))
}

#[tokio::test]
async fn a_pooler_of_sessions_changes_nothing() -> TestResult {
    let stack = Stack::servers().await?;
    let (_pgbouncer, urls) = pooled(&stack, Pooling::Session).await?;
    Ok(works(&stack, &urls).await?)
}

#[tokio::test]
async fn a_pooler_of_transactions_is_refused() -> TestResult {
    let stack = Stack::servers().await?;
    let (_pgbouncer, urls) = pooled(&stack, Pooling::Transaction).await?;
    Ok(is_refused(&stack, &urls, "set the pooler to `pool_mode = session`").await?)
}
