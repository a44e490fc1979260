use anyhow::Result;
use chrono::NaiveDate;
use serde_json::json;
use sqlx::PgPool;
use testkit::failure::TestResult;
use testkit::observe::summaries;
use testkit::stack::{DATABASE, Stack};

use crate::generations::have_become;

/// A month with its views, the fewest and the most users that it can have, and its first paths.
type Summary = (String, String, NaiveDate, i64, i64, i64, String);

async fn summed_up(pool: &PgPool) -> Result<Vec<Summary>> {
    summaries::complete(pool).await;
    let rows = "
        select site_id, event_type, month, views, users_least, users_most, top_paths::text
        from month_summary
        join generation using (generation_id)
        where status = 'active'
        order by 1, 2, 3";
    Ok(sqlx::query_as(rows).fetch_all(pool).await?)
}

async fn post(stack: &Stack, events: &[(&str, &str, &str, &str)]) -> Result<()> {
    for (site_id, timestamp, path, user_id) in events {
        let event = json!({
            "site_id": site_id, "event_type": "page_view", "timestamp": timestamp, "path": path, "user_id": user_id,
        });
        assert_eq!(stack.ingest_client.post("/event", event.to_string()).await?.status, 200);
    }
    stack.drained(DATABASE).await?;
    Ok(())
}

fn summary(site_id: &str, month: &str, views: i64, users: (i64, i64), top_paths: &str) -> Summary {
    let month = month.parse().expect("a day");
    (site_id.to_owned(), "page_view".to_owned(), month, views, users.0, users.1, top_paths.to_owned())
}

#[expect(clippy::disallowed_methods, reason = "this month is not over, whatever month it is")]
fn today() -> NaiveDate {
    chrono::Utc::now().date_naive()
}

/// Again when an event comes late, and in read models that are built anew; and this month is not.
#[tokio::test]
async fn a_month_that_is_over_is_summed_up() -> TestResult {
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let pool = stack.database(DATABASE)?;
    let today = today();
    post(
        &stack,
        &[
            ("one", "2024-02-29T23:59:59Z", "/a", "u1"),
            ("one", "2024-02-29T12:00:00Z", "/b", "u2"),
            ("one", "2024-02-01T00:00:00Z", "/b", "u1"),
            ("one", "2024-03-01T00:00:00Z", "/c", ""),
            ("one", &format!("{today}T00:00:00Z"), "/d", "u1"),
            ("two", "2024-02-10T00:00:00Z", "/e", "u1"),
        ],
    )
    .await?;
    let expected = [
        summary("one", "2024-02-01", 3, (2, 3), r#"[["/b",2],["/a",1]]"#),
        summary("one", "2024-03-01", 1, (0, 0), r#"[["/c",1]]"#),
        summary("two", "2024-02-01", 1, (1, 1), r#"[["/e",1]]"#),
    ];
    assert_eq!(summed_up(&pool).await?, expected);

    post(&stack, &[("one", "2024-02-10T00:00:00Z", "/a", "u3"), ("one", "2024-02-10T00:00:00Z", "/a", "u4")]).await?;
    let [_, march, two] = expected;
    let expected = [summary("one", "2024-02-01", 5, (2, 5), r#"[["/a",3],["/b",2]]"#), march, two];
    assert_eq!(summed_up(&pool).await?, expected);

    stack.operate(&["rebuild"]).await?;
    have_become(&pool, &[(1, "retired"), (2, "active")]).await;
    assert_eq!(summed_up(&pool).await?, expected);
    Ok(())
}
