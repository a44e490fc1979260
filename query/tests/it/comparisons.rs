use serde_json::{Value, json};

use crate::models::{BATCH, Batch, Models};
use crate::service::{Service, with_models};

async fn compared(service: &Service, days: &str) -> Value {
    service.stats(&format!("site_id=site-abc-123&compare=previous&{days}")).await
}

#[tokio::test]
async fn a_comparison_is_answered_to_the_letter() {
    let (service, models, ..) = with_models().await;
    models.add(&Batch { day: "2025-11-11", paths: &[("/old", 4)], users: 0..2, ..BATCH }).await;
    models.add(&Batch { paths: &[("/", 5)], users: 0..1, ..BATCH }).await;
    let answer = service.get("/stats?site_id=site-abc-123&date=2025-11-12&compare=previous").await;
    assert_eq!(
        answer.body,
        concat!(
            r#"{"site_id":"site-abc-123","date":"2025-11-12","total_views":5,"unique_users":1,"#,
            r#""top_paths":[{"path":"/","views":5}],"#,
            r#""previous":{"from":"2025-11-11","to":"2025-11-11","total_views":4,"unique_users":2},"#,
            r#""change":{"total_views":{"absolute":1,"ratio":0.25},"unique_users":{"absolute":-1,"ratio":-0.5}}}"#
        )
    );
}

#[tokio::test]
async fn the_period_before_has_as_many_days() {
    let (service, models, ..) = with_models().await;
    for (day, views, users) in
        [("2024-02-28", 1, 0..1), ("2024-02-29", 10, 0..10), ("2024-03-01", 100, 5..20), ("2024-03-02", 1_000, 0..30)]
    {
        models.add(&Batch { day, paths: &[("/", views)], users, ..BATCH }).await;
    }
    for (days, from, to, views, users) in [
        ("date=2024-03-01", "2024-02-29", "2024-02-29", 10, 10),
        ("from=2024-03-01&to=2024-03-01", "2024-02-29", "2024-02-29", 10, 10),
        ("from=2024-03-01&to=2024-03-02", "2024-02-28", "2024-02-29", 11, 10),
        ("from=2024-03-02&to=2024-03-03", "2024-02-29", "2024-03-01", 110, 20),
        ("from=2024-03-03&to=2024-03-31", "2024-02-03", "2024-03-02", 1_111, 30),
    ] {
        let previous = json!({"from": from, "to": to, "total_views": views, "unique_users": users});
        let report = compared(&service, days).await;
        assert_eq!(report["previous"], previous, "{days}");
        let [now, before] = [&report, &previous].map(|numbers| numbers["total_views"].as_i64().expect("a number"));
        assert_eq!(report["change"]["total_views"]["absolute"], now - before, "{days}");
    }
    let nothing = compared(&service, "date=2024-02-28").await;
    assert_eq!(nothing["previous"]["total_views"], 0);
    let change = json!({"total_views": {"absolute": 1, "ratio": null}, "unique_users": {"absolute": 1, "ratio": null}});
    assert_eq!(nothing["change"], change);
}

#[tokio::test]
async fn what_cannot_be_compared_is_refused() {
    let (service, ..) = with_models().await;
    let open = "compare needs a period with a beginning and an end: date, or from and to";
    let early = "compare needs a period before, which would begin before the year 0";
    for (days, error) in [
        ("", open),
        ("&from=2025-11-12", open),
        ("&to=2025-11-12", open),
        ("&date=0000-01-01", early),
        ("&from=0000-01-02&to=0000-01-03", early),
        ("&from=0000-01-01&to=9999-12-31", early),
    ] {
        let answer = service.get(&format!("/stats?site_id=a&compare=previous{days}")).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, error), "{days}");
        assert_eq!(answer.json()["code"], "nothing_to_compare");
    }
    let other = service.get("/stats?site_id=a&date=2025-11-12&compare=year").await;
    assert_eq!((other.status, other.error().as_str()), (400, "compare must be \"previous\""));
    assert_eq!(service.get("/stats?site_id=a&compare=previous&from=0000-01-02&to=0000-01-02").await.status, 200);
    assert_eq!(service.get("/stats?site_id=a&compare=previous&from=5000-01-01&to=9999-12-31").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_periods_are_of_one_moment() {
    const BATCHES: u64 = 100;
    let (service, models, db, _) = with_models().await;
    // Both days have the same numbers in each moment, in whichever generation.
    let changes = tokio::spawn(async move {
        let mut active = models;
        for number in 0..BATCHES {
            let mut tx = db.begin().await.expect("a transaction");
            for day in ["2025-11-12", "2025-11-11"] {
                active.add_in(&mut tx, &Batch { day, ..BATCH }).await;
            }
            tx.commit().await.expect("committed");
            if number % 20 == 19 {
                let next = Models::create(&db, "building").await;
                next.activate().await;
                std::mem::replace(&mut active, next).drop().await;
            }
        }
    });
    let mut seen = std::collections::BTreeSet::new();
    while !changes.is_finished() {
        let report = compared(&service, "date=2025-11-12").await;
        assert_eq!(report["change"]["total_views"]["absolute"], 0, "{report}");
        seen.insert(report["total_views"].as_u64());
    }
    changes.await.expect("changes that did not fail");
    assert!(seen.len() > 5, "reports were read while batches arrived: {}", seen.len());
}
