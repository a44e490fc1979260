use crate::models::{BATCH, Models};
use crate::server::Database;
use crate::service::{Service, with_models};

#[tokio::test]
async fn it_is_ready_when_reports_can_be_answered() {
    let database = Database::empty().await;
    let service = Service::start(database.service_url()).await;
    let newest = sqlx::migrate!("../migrations").iter().map(|migration| migration.version).max().expect("a migration");
    let not_applied = format!("migration {newest} is not applied; `projector migrate` applies it");
    service.tells_of_readiness((503, &not_applied)).await;
    assert_eq!(service.get("/readyz").await.header("retry-after"), "1");
    assert_eq!(service.get("/stats?site_id=a").await.status, 503);

    let db = database.migrate().await;
    let no_generation = "no generation of the read models is active yet; the projector makes the first one";
    service.tells_of_readiness((503, no_generation)).await;

    let models = Models::create(&db, "building").await;
    service.tells_of_readiness((503, no_generation)).await;

    models.activate().await;
    service.tells_of_readiness((200, "ready\n")).await;

    sqlx::query("update _sqlx_migrations set success = false").execute(&db).await.expect("changed");
    service.tells_of_readiness((503, &not_applied)).await;
    assert_eq!(service.get("/healthz").await.body, "ok\n");
}

#[tokio::test]
async fn a_wrong_password_makes_it_unready() {
    let database = Database::empty().await;
    let url = database.service_url().replace("only-for-tests", "wrong");
    let service = Service::start(url).await;
    assert_eq!(service.get("/readyz").await.error(), "the database cannot be queried");
    let answer = service.get("/stats?site_id=a").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert_eq!(answer.error(), "reports cannot be read at the moment; ask again later");
}

#[tokio::test]
async fn reports_are_measured_by_outcome() {
    let (service, models, ..) = with_models().await;
    models.add(&BATCH).await;
    service.stats("site_id=site-abc-123").await;
    service.get("/stats").await;
    let metrics = service.get("/metrics").await.body;
    assert!(metrics.contains("# HELP query_report_duration_seconds "), "{metrics}");
    for outcome in ["answered", "refused"] {
        let series = format!("query_report_duration_seconds_count{{outcome=\"{outcome}\"}}");
        assert!(metrics.contains(&series), "{metrics}");
    }
}

#[tokio::test]
async fn it_stops_when_it_is_asked_to() {
    let (mut service, ..) = with_models().await;
    service.stats("site_id=a").await;
    service.shutdown.cancel();
    (&mut service.running).await.expect("no panic").expect("no error");
}

#[tokio::test]
async fn a_url_that_is_none_is_not_shown() {
    let mut service = Service::start("postgres//user:secret@nowhere".to_owned()).await;
    let err = (&mut service.running).await.expect("no panic").expect_err("no URL");
    let message = format!("{err:#}");
    assert!(message.starts_with("DATABASE_URL is no URL of a Postgres database") && !message.contains("secret"));
}
