//! The sites that a key may see, and nothing of others.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::Value;

use super::{REPORTS, code, database, refused};
use crate::event_source::{EventSource, Piece, SOON};
use crate::keys::KeysFile;
use crate::service::Answer;

fn sites(answer: &Answer) -> Vec<String> {
    let sites = answer.json()["sites"].as_array().expect("sites").clone();
    sites.iter().map(|site| site["site_id"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn a_key_shows_its_sites_and_no_others() {
    let (database, keys) = (database().await, KeysFile::new());
    let key = keys.add(&["--site", "b", "--site", "d", "--site", "nothing-yet", "--site", "A"]).await;
    let (all, third) = (keys.add(&["--all-sites"]).await, keys.add(&["--site", "c"]).await);
    let service = keys.service(&database).await;
    for report in REPORTS {
        for site in ["a", "c", "B", "unknown"] {
            let path = format!("{report}site_id={site}");
            // Not even that there is nothing new of it.
            let headers = [("authorization", &*format!("Bearer {key}")), ("if-none-match", "*")];
            let answer = service.send(Method::GET, &path, &headers).await;
            assert_eq!(code(&answer), refused(403, "site_not_allowed"), "{path}");
        }
        if !report.starts_with("/live") {
            let answer = service.get_with(&key, &format!("{report}site_id=b")).await;
            assert_eq!(answer.status, 200, "{report}: {}", answer.body);
            let control = answer.header("cache-control");
            assert!(control.starts_with("private, "), "{report}: {control}");
            let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
            assert!(vary.iter().any(|vary| *vary == "authorization"), "{report}: {vary:?}");
        }
    }
    let listed = service.get_with(&key, "/sites").await;
    assert_eq!(sites(&listed), ["b", "d"]);
    assert_eq!(sites(&service.get_with(&all, "/sites").await), ["a", "b", "c", "d"]);
    assert_eq!(sites(&service.get_with(&third, "/sites").await), ["c"]);
    for (query, expected) in [("prefix=a", &[][..]), ("prefix=d", &["d"]), ("limit=1", &["b"])] {
        assert_eq!(sites(&service.get_with(&key, &format!("/sites?{query}")).await), expected, "{query}");
    }
    let cursor = service.get_with(&key, "/sites?limit=1").await.json()["next_cursor"].clone();
    let next = service.get_with(&key, &format!("/sites?limit=1&cursor={}", cursor.as_str().expect("a page"))).await;
    assert_eq!((sites(&next), next.json()["next_cursor"].clone()), (vec!["d".to_owned()], Value::Null));
    let theirs = service.get_with(&all, "/sites?limit=2").await.json()["next_cursor"].clone();
    let path = format!("/sites?limit=9&cursor={}", theirs.as_str().expect("a page"));
    assert_eq!(sites(&service.get_with(&key, &path).await), ["d"], "another key's cursor says where to begin");

    // What one key was answered is no answer to another one.
    let names = [&key, &all, &third].map(|key| service.get_with(key, "/sites"));
    let names = futures_util::future::join_all(names).await;
    let names: std::collections::BTreeSet<_> = names.iter().map(|answer| answer.header("etag").to_owned()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    for known in &names {
        let headers = [("authorization", &*format!("Bearer {key}")), ("if-none-match", known.as_str())];
        let answer = service.send(Method::GET, "/sites", &headers).await;
        assert_eq!(answer.status, if known == listed.header("etag") { 304 } else { 200 }, "{known}");
    }
}

#[tokio::test]
async fn the_dashboard_shows_the_sites_of_a_key() {
    let (database, keys) = (database().await, KeysFile::new());
    let key = keys.add(&["--site", "b", "--site", "d"]).await;
    let service = keys.service(&database).await;
    let basic = format!("Basic {}", STANDARD.encode(format!("me:{key}")));
    let get = async |path: &str| service.send(Method::GET, path, &[("authorization", &basic)]).await;
    let overview = get("/").await;
    assert_eq!((overview.status, overview.header("cache-control")), (200, "private, no-cache"));
    let links = |page: &Answer| {
        ["a", "b", "c", "d"]
            .map(|site| page.body.contains(&format!("\"{site}\"")) || page.body.contains(&format!("site={site}&")))
    };
    assert_eq!(links(&overview), [false, true, false, true], "{}", overview.body);
    assert_eq!(get("/?site=b").await.status, 200);
    for site in ["a", "unknown"] {
        let page = get(&format!("/?site={site}")).await;
        assert_eq!((page.status, page.body.contains("Your key may not read")), (403, true), "{site}");
        assert!(!links(&page)[2], "{site}");
    }
    let style = overview.body.split('"').find(|part| part.starts_with("assets/style")).expect("a style");
    let style = get(&format!("/{style}")).await;
    assert_eq!((style.status, style.header("cache-control")), (200, "private, max-age=31536000, immutable"));
    let policy = overview.header("content-security-policy");
    assert!(policy.starts_with("default-src 'self';") && !policy.contains("unsafe"), "{policy}");
}

#[tokio::test]
async fn what_is_pushed_ends_with_its_key() {
    let (database, keys) = (database().await, KeysFile::new());
    let (key, stays) = (keys.add(&["--site", "a"]).await, keys.add(&["--all-sites"]).await);
    let service = keys.service(&database).await;
    let mut watched = EventSource::open(&service, &format!("site_id=a&key={key}")).await;
    let mut other = EventSource::open(&service, &format!("site_id=a&key={stays}")).await;
    watched.totals_with_id().await;
    other.totals_with_id().await;
    keys.revoke(&key).await;
    let end = tokio::time::timeout(SOON * 4, watched.piece()).await.expect("the file is looked at every second");
    assert_eq!(end, Piece::End);
    other.nothing().await;
    let refused_now = EventSource::refused(&service, &format!("site_id=a&key={key}")).await;
    assert_eq!(code(&refused_now), refused(401, "revoked_key"));
}
