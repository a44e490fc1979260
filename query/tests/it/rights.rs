use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};

use crate::models::BATCH;
use crate::server::ROLE;
use crate::service::with_models;

/// The error of Postgres for a missing right.
const INSUFFICIENT_PRIVILEGE: &str = "42501";

async fn error_code(db: &PgPool, statement: String) -> String {
    let refused = sqlx::query(AssertSqlSafe(statement.clone())).execute(db).await;
    let code = refused.err().and_then(|err| err.as_database_error()?.code().map(String::from));
    code.unwrap_or_else(|| panic!("not refused: {statement}"))
}

#[tokio::test]
async fn the_role_of_the_service_reads_reports_and_writes_nothing() {
    let (service, models, _, database) = with_models().await;
    models.add(&BATCH).await;
    assert_eq!(service.stats("site_id=site-abc-123").await["total_views"], 1);

    let db = PgPoolOptions::new().connect(&database.service_url()).await.expect("the role can log in");
    let role: String = sqlx::query_scalar("select current_user::text").fetch_one(&db).await.expect("a name");
    assert_eq!(role, ROLE);
    let models = ["view_daily", "view_total", "path_daily", "path_total", "user_daily", "user_total"];
    for table in [&models[..], &["referrer_daily", "referrer_total", "generation"]].concat() {
        for statement in [format!("delete from {table}"), format!("truncate {table}"), format!("drop table {table}")] {
            assert_eq!(error_code(&db, statement).await, INSUFFICIENT_PRIVILEGE);
        }
        let update = format!("update {table} set generation_id = 2");
        assert_eq!(error_code(&db, update).await, INSUFFICIENT_PRIVILEGE);
        let insert = format!("insert into {table} select * from {table}");
        assert_eq!(error_code(&db, insert).await, INSUFFICIENT_PRIVILEGE);
    }
    for table in ["checkpoint", "log_end"] {
        let count = sqlx::query(AssertSqlSafe(format!("select from {table}"))).fetch_all(&db).await;
        assert!(count.is_ok(), "reports say which part of the log they contain");
        for statement in [format!("delete from {table}"), format!("update {table} set stream_sequence = 0")] {
            assert_eq!(error_code(&db, statement).await, INSUFFICIENT_PRIVILEGE);
        }
    }
    let listen = sqlx::query("listen projection").execute(&db).await;
    assert!(listen.is_ok(), "it hears of commits");
    for statement in [
        "select * from parked_event",
        "delete from _sqlx_migrations",
        "select create_generation(1, 1, 3600, 'building')",
        "create table mine (id int)",
        "create role other",
    ] {
        assert_eq!(error_code(&db, statement.to_owned()).await, INSUFFICIENT_PRIVILEGE, "{statement}");
    }
}
