//! No answer about a site says anything of another one, whatever is asked for.

use crate::models::{BATCH, Batch};
use crate::service::with_models;

/// Names that only other sites have.
const SECRET: &str = "secret";

/// Attempts of an attacker: wildcards, quotes, comments, escapes, other sites' names, and more.
const ATTEMPTS: [&str; 14] = [
    "%25",
    "_",
    "*",
    ".*",
    "%5C",
    "'",
    "%27%20or%20true%20--%20",
    "%22",
    "%2Fsecret",
    "%00",
    "site-abc-1234",
    "%27)%20union%20select%20path%20from%20path_total%20--",
    "$1",
    "%F0%9F%98%80",
];

#[tokio::test]
async fn no_answer_tells_of_another_site() {
    let (service, models, ..) = with_models().await;
    models.add(&Batch { paths: &[("/", 2), ("/a", 1)], ..BATCH }).await;
    // Names that are nearly the same.
    for site_id in ["site-abc-1234", "site-abc-12", "SITE-ABC-123", "site_abc_123", "secret"] {
        let paths = &[("/secret", 40), ("/a/secret", 30), ("/secret/b", 20)];
        models.add(&Batch { site_id, paths, users: 100..105, ..BATCH }).await;
        models.add(&Batch { site_id, event_type: "secret", paths, ..BATCH }).await;
    }
    let mut paths = Vec::new();
    for days in ["", "&date=2025-11-12", "&from=2025-01-01"] {
        paths.extend(["/paths", "/events/types", "/stats"].map(|path| format!("{path}?site_id=site-abc-123{days}")));
    }
    paths.push("/timeseries?site_id=site-abc-123&from=2025-11-12&to=2025-11-12".to_owned());
    for attempt in ATTEMPTS {
        for name in ["prefix", "search", "cursor", "event_type", "limit"] {
            paths.push(format!("/paths?site_id=site-abc-123&limit=1000&{name}={attempt}").replacen(
                "limit=1000&limit",
                "limit",
                1,
            ));
        }
        paths.push(format!("/events/types?site_id=site-abc-123{attempt}"));
        paths.push(format!("/timeseries?site_id=site-abc-123&from=2025-11-12&to=2025-11-12&event_type={attempt}"));
        paths.push(format!("/stats?site_id=site-abc-123&event_type={attempt}&limit=1000"));
    }
    for path in paths {
        let answer = service.get(&path).await;
        assert!(matches!(answer.status, 200 | 400), "{path}: {}", answer.body);
        // A refusal may repeat what was sent, and that is all.
        let is_sent = path.contains(SECRET);
        assert!(is_sent || !answer.body.contains(SECRET), "{path}: {}", answer.body);
        assert!(answer.status == 400 || !answer.body.contains("\"/secret"), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_cursor_of_another_site_shows_nothing_of_it() {
    let (service, models, ..) = with_models().await;
    models.add(&Batch { paths: &[("/", 2), ("/a", 1)], ..BATCH }).await;
    models.add(&Batch { site_id: "secret", paths: &[("/secret", 2), ("/secret/b", 1)], ..BATCH }).await;
    let theirs = service.get("/paths?site_id=secret&limit=1").await.json();
    let cursor = theirs["next_cursor"].as_str().expect("a cursor");
    let answer = service.get(&format!("/paths?site_id=site-abc-123&limit=1&cursor={cursor}")).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (400, Some("invalid_cursor")));
    assert!(!answer.body.contains(SECRET));
}
