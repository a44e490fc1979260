//! Connections that are encrypted: those of clients, and those to the log and to the database.

use std::time::Duration;

use anyhow::{Context, Result};
use launcher::process::Process;
use launcher::workspace::Workspace;
use testkit::clients::load::event;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, DatabaseUser, Stack};
use testkit::wait;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::clients::tls::SecureClient;
use crate::inputs::certificates::{Authority, Validity};

/// Files are looked at every second, servers are asked again ten times a second.
const SOON: Duration = Duration::from_secs(30);

async fn says(process: &Process, sentence: &str) {
    let said = wait::until(sentence, 2 * SOON, async || process.log_tail(1_000).contains(sentence).then_some(()));
    assert!(tokio::time::timeout(SOON, said).await.is_ok(), "not {sentence:?}, but: {}", process.log_tail(30));
}

async fn shows(client: &SecureClient, metric: &str) {
    let line = format!("\n{metric}\n");
    let shown = async || client.ask("GET", "/metrics", "").await.ok()?.contains(&line).then_some(());
    wait::until(metric, SOON, shown).await;
}

async fn is_ready(client: &SecureClient) {
    let ready = async || client.ask("GET", "/readyz", "").await.ok()?.starts_with("HTTP/1.1 200").then_some(());
    wait::until("it is ready", SOON, ready).await;
}

#[tokio::test]
async fn clients_are_served_over_tls_with_the_certificate_that_is_there_now() -> TestResult {
    let stack = Stack::servers().await?;
    let authority = Authority::new()?;
    let folder = authority.folder();
    let valid = authority.issue("127.0.0.1", Validity::Valid)?;
    let [certificate, key] = valid.save(folder, "server")?;
    let files = [("TLS_CERT_FILE", certificate.as_str()), ("TLS_KEY_FILE", key.as_str())];
    let ingest = stack.ingest_unready(&files)?;
    let client = SecureClient::new(stack.ingest_port(), &authority)?;
    is_ready(&client).await;
    let answer = client.ask("POST", "/event", &event("a", "/")).await?;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"receipt\":\"0-"), "{answer}");
    shows(&client, "tls_certificate_stale 0").await;

    // A client that does not speak TLS is not answered, and disturbs no other one. A silent connection is closed.
    assert!(stack.ingest_client.get("/healthz").await.is_err());
    let mut silent = TcpStream::connect(("127.0.0.1", stack.ingest_port())).await?;
    let heard = tokio::time::timeout(SOON, silent.read(&mut [0; 1])).await.context("it waits for ever")?;
    assert!(matches!(heard, Ok(0) | Err(_)), "{heard:?}");

    // What has begun goes on, with whatever certificate. Who comes now and looks at it leaves.
    let begun = client.connect().await?;
    authority.issue("127.0.0.1", Validity::Expired)?.save(folder, "server")?;
    let refused = wait::until("the expired certificate", SOON, async || {
        client.ask("GET", "/healthz", "").await.err().map(|err| format!("{err:#}"))
    })
    .await;
    assert!(refused.contains("certificate expired"), "{refused}");
    assert!(begun.ask("GET", "/healthz", "").await?.starts_with("HTTP/1.1 200"));
    authority.issue("other.example", Validity::Valid)?.save(folder, "server")?;
    let named = async || client.connect().await.err()?.to_string().contains("not valid for name").then_some(());
    wait::until("the certificate of another name", SOON, named).await;

    // A key that is not there yet, or a file that is cut off: the certificate of before stays.
    valid.save(folder, "server")?;
    is_ready(&client).await;
    std::fs::write(&certificate, &authority.issue("127.0.0.1", Validity::Expired)?.certificate)?;
    shows(&client, "tls_certificate_stale 1").await;
    says(&ingest, "TLS_KEY_FILE has no key of the first certificate").await;
    std::fs::write(&certificate, &valid.certificate[..100])?;
    says(&ingest, "it is no PEM").await;
    is_ready(&client).await;
    assert_eq!(ingest.exit_status(), None);

    let query = stack.query_unready(&files)?;
    assert!(!query.exit().wait().await.success());
    assert!(query.log_tail(5).contains("TLS_CERT_FILE"), "{}", query.log_tail(5));
    valid.save(folder, "server")?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let _query = stack.query_unready(&files)?;
    let client = SecureClient::new(stack.query_client.port(), &authority)?;
    is_ready(&client).await;
    wait::until("the event is counted", SOON, async || {
        client.ask("GET", "/stats?site_id=a", "").await.ok()?.contains("\"total_views\":1,").then_some(())
    })
    .await;
    Ok(())
}

/// The project's own configuration of the log's server, and with this certificate.
fn encrypted([certificate, key]: &[String; 2]) -> Result<String> {
    let conf = std::fs::read_to_string(Workspace::find()?.root().join("nats/server.conf"))?;
    Ok(format!("{conf}\ntls {{ cert_file: \"{certificate}\", key_file: \"{key}\" }}\n"))
}

#[tokio::test]
async fn the_log_is_reached_over_tls_or_not_at_all() -> TestResult {
    let authority = Authority::new()?;
    let folder = authority.folder();
    let files = authority.issue("127.0.0.1", Validity::Valid)?.save(folder, "nats")?;
    let conf = folder.join("server.conf");
    std::fs::write(&conf, encrypted(&files)?)?;
    let mut stack = Stack::servers_with(Some(&conf)).await?;
    let url = stack.nats.url().replace("nats://", "tls://");
    let path = authority.path();
    let ca = path.to_str().context("a path of ASCII")?;
    // So much it takes to hear from the log's client why.
    let trusting = [("NATS_URL", url.as_str()), ("NATS_CA_FILE", ca), ("RUST_LOG", "info,async_nats=debug")];

    // Of an authority that no server here trusts.
    let (other, mut deceiving) = (Authority::new()?, trusting);
    let other = other.path();
    deceiving[1].1 = other.to_str().context("a path of ASCII")?;
    let deceived = stack.ingest_unready(&deceiving)?;
    says(&deceived, "UnknownIssuer").await;
    assert_eq!(stack.ingest_client.get("/readyz").await?.status, 503);
    drop(deceived);

    let ingest = stack.ingest(&trusting).await?;
    assert_eq!(stack.ingest_client.post("/event", event("a", "/")).await?.status, 200);
    let _projector = stack.projector(DATABASE, &trusting).await?;
    let _query = stack.query().await?;
    let counted = async |views: &str| {
        wait::until("the event is counted", SOON, async || {
            stack.query_client.get("/stats?site_id=a").await.ok()?.text.contains(views).then_some(())
        })
        .await;
    };
    counted("\"total_views\":1,").await;
    drop(ingest);

    // Expired.
    authority.issue("127.0.0.1", Validity::Expired)?.save(folder, "nats")?;
    stack.nats.restart().await?;
    let ingest = stack.ingest_unready(&trusting)?;
    says(&ingest, "certificate expired").await;
    assert_eq!(stack.ingest_client.get("/readyz").await?.status, 503);
    drop(ingest);

    // A server that speaks no TLS hears no password.
    std::fs::copy(Workspace::find()?.root().join("nats/server.conf"), &conf)?;
    stack.nats.restart().await?;
    let (plain, mut asking) = (stack.nats.url(), trusting);
    asking[0].1 = &plain;
    let ingest = stack.ingest_unready(&asking)?;
    says(&ingest, "connection attempt failed").await;
    assert_eq!(stack.ingest_client.get("/readyz").await?.status, 503);
    drop(ingest);
    let missing = stack.ingest_unready(&[("NATS_CA_FILE", "/nowhere/authority.pem")])?;
    assert!(!missing.exit().wait().await.success());
    assert!(missing.log_tail(5).contains("NATS_CA_FILE"), "{}", missing.log_tail(5));
    Ok(())
}

#[tokio::test]
async fn the_database_is_reached_over_tls_or_not_at_all() -> TestResult {
    let authority = Authority::new()?;
    let mut stack = Stack::servers().await?;
    let valid = authority.issue("127.0.0.1", Validity::Valid)?;
    stack.postgres.encrypt(&valid.certificate, &valid.key).await?;
    let path = authority.path();
    let verified =
        |user, authority: &str| format!("{}?sslmode=verify-full&sslrootcert={authority}", stack.url_of(user, DATABASE));
    let ca = path.to_str().context("a path of ASCII")?;
    let projector_url = verified(DatabaseUser::Projector, ca);
    let query_url = verified(DatabaseUser::Query, ca);
    let other = Authority::new()?;
    let other = other.path();
    let deceived = verified(DatabaseUser::Query, other.to_str().context("ASCII")?);

    let _ingest = stack.ingest(&[]).await?;
    assert_eq!(stack.ingest_client.post("/event", event("a", "/")).await?.status, 200);
    let _projector = stack.projector(DATABASE, &[("DATABASE_URL", &projector_url)]).await?;
    let query = stack.query_with(&[("DATABASE_URL", &query_url)]).await?;
    let counted = async || {
        wait::until("the event is counted", SOON, async || {
            stack.query_client.get("/stats?site_id=a").await.ok()?.text.contains("\"total_views\":1,").then_some(())
        })
        .await;
    };
    counted().await;
    let encrypted = "select count(*) filter (where ssl), count(*) from pg_stat_ssl join pg_stat_activity using (pid) \
        where application_name like 'tidemark-%' and client_addr is not null";
    let (over_tls, all): (i64, i64) = sqlx::query_as(encrypted).fetch_one(&stack.database(DATABASE)?).await?;
    assert!(over_tls == all && all >= 2, "{over_tls} of {all}");
    drop(query);

    let query = stack.query_with(&[("DATABASE_URL", &deceived)]).await?;
    assert_eq!(stack.query_client.get("/readyz").await?.status, 503);
    assert_eq!(stack.query_client.get("/stats?site_id=a").await?.status, 503);
    says(&query, "UnknownIssuer").await;
    drop(query);

    let expired = authority.issue("127.0.0.1", Validity::Expired)?;
    stack.postgres.encrypt(&expired.certificate, &expired.key).await?;
    let query = stack.query_with(&[("DATABASE_URL", &query_url)]).await?;
    assert_eq!(stack.query_client.get("/stats?site_id=a").await?.status, 503);
    says(&query, "certificate expired").await;
    Ok(())
}
