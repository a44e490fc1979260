//! Access by keys, and rates of requests.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use service::access::{Proxies, Rate};

use crate::event_source::SOON;
use crate::keys::{KeysFile, id};
use crate::models::{BATCH, Batch, Models};
use crate::server::Database;
use crate::service::{Answer, Service};

/// The sites that a key may see.
mod sites;

/// Reports of one site.
const REPORTS: [&str; 6] = [
    "/stats?",
    "/stats?include=referrers&compare=previous&date=2025-11-12&",
    "/timeseries?from=2025-11-12&to=2025-11-12&",
    "/paths?",
    "/events/types?format=csv&",
    "/live?",
];

/// Read models with the sites a, b, c and d.
async fn database() -> Database {
    let database = Database::empty().await;
    let db = database.migrate().await;
    let models = Models::create(&db, "active").await;
    sqlx::query("update generation set fold_version = 3").execute(&db).await.expect("a version with referrers");
    for site_id in ["a", "b", "c", "d"] {
        models.add(&Batch { site_id, sequence: Some(7), ..BATCH }).await;
    }
    database
}

fn code(answer: &Answer) -> (u16, String) {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("no refusal: {answer:?}"));
    (answer.status, body["code"].as_str().unwrap_or_default().to_owned())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// The first answer that is not as before, while the file is looked at again.
async fn until_changed(service: &Service, key: &str, path: &str, before: u16) -> Answer {
    let changed = async {
        loop {
            let answer = service.get_with(key, path).await;
            if answer.status != before {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON * 4, changed).await.expect("the file is looked at every second")
}

#[tokio::test]
async fn who_has_no_key_or_another_one_is_not_let_in() {
    let (database, keys) = (database().await, KeysFile::new());
    let (key, other) = (keys.add(&["--all-sites"]).await, keys.add(&["--site", "a"]).await);
    let revoked = keys.add(&["--all-sites"]).await;
    keys.revoke(&revoked).await;
    let service = keys.service(&database).await;
    let swapped = format!("tm_{}_{}", id(&other), &key[key.len() - 43..]);
    let (begin, secret) = key.split_at(key.len() - 43);
    let turned = format!(
        "{begin}{}",
        secret
            .chars()
            .map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
            .collect::<String>()
    );
    for path in REPORTS.map(|path| format!("{path}site_id=a")).iter().map(String::as_str).chain([
        "/",
        "/?site=a",
        "/sites",
        "/metrics",
        "/nothing",
        "/assets/nothing.css",
        "//healthz",
        "/healthz/../stats?site_id=a",
        "/api-docs/../stats?site_id=a",
        "/api-docs%2F..%2Fstats?site_id=a",
        "/api-docsx",
    ]) {
        let answer = service.get(path).await;
        assert_eq!(code(&answer), refused(401, "key_required"), "{path}");
        let asked: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
        assert_eq!(asked, ["Bearer realm=\"Tidemark\"", "Basic realm=\"Tidemark\", charset=\"UTF-8\""], "{path}");
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        for wrong in
            ["x", "", &key[..key.len() - 1], &turned, &swapped, &format!("{key}x"), &key.replace("tm_", "TM_"), "tm__"]
        {
            let answer = service.get_with(wrong, path).await;
            assert_eq!(code(&answer), refused(401, "invalid_key"), "{path}");
            assert!(wrong.len() < 5 || !answer.body.contains(wrong), "a key in an answer");
        }
        assert_eq!(code(&service.get_with(&revoked, path).await), refused(401, "revoked_key"), "{path}");
    }
    service.tells_of_readiness((200, "ready\n")).await;
    for path in ["/healthz", "/api-docs", "/api-docs/openapi.json", "/api-docs/swagger-ui.css"] {
        assert_eq!(service.get(path).await.status, 200, "{path} is open");
    }
    for path in ["/sites", "/metrics", "/?site=a"] {
        assert_eq!(service.get_with(&key, path).await.status, 200, "{path}");
    }
    assert_eq!(service.get_with(&key, "/nothing").await.status, 404);
    assert_eq!(service.send(Method::POST, "/stats", &[("authorization", &format!("Bearer {key}"))]).await.status, 405);
    assert_eq!(code(&service.get_with(&other, "/metrics").await), refused(403, "all_sites_required"));
}

#[tokio::test]
async fn a_key_is_taken_from_wherever_it_can_be_sent() {
    let (database, keys) = (database().await, KeysFile::new());
    let key = keys.add(&["--site", "a"]).await;
    let service = keys.service(&database).await;
    let basic = |pair: String| format!("Basic {}", STANDARD.encode(pair));
    for (path, authorization) in [
        ("/paths?site_id=a&limit=1".to_owned(), Some(format!("Bearer {key}"))),
        ("/paths?site_id=a&limit=1".to_owned(), Some(basic(format!("user:{key}")))),
        ("/paths?site_id=a&limit=1".to_owned(), Some(basic(format!(":{key}")))),
        (format!("/paths?key={key}&site_id=a&limit=1"), None),
        (format!("/paths?site_id=a&limit=1&key={key}"), Some(basic("of:a proxy".to_owned()))),
    ] {
        let headers = authorization.as_deref().map(|value| ("authorization", value));
        let answer = service.send(Method::GET, &path, headers.as_slice()).await;
        assert_eq!((answer.status, answer.json()["site_id"].as_str()), (200, Some("a")), "{}", answer.body);
        assert!(!answer.header("link").contains("tm_"), "no key in a link");
    }
    for (path, headers) in [
        (format!("/paths?site_id=a&key={key}&key={key}"), vec![]),
        ("/paths?site_id=a".to_owned(), vec![("authorization", basic(key.clone()))]),
        ("/paths?site_id=a".to_owned(), vec![("authorization", basic(format!("{key}:")))]),
        ("/paths?site_id=a".to_owned(), vec![("authorization", format!("Digest {key}"))]),
        ("/paths?site_id=a".to_owned(), vec![("authorization", format!("Bearer {key}")); 2]),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = service.send(Method::GET, &path, &headers).await;
        assert_eq!(code(&answer), refused(401, "invalid_key"), "{headers:?}");
    }
    // Browsers ask, without a key, whether a page may send one.
    let asked = [
        ("origin", "https://dashboard.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization"),
    ];
    let preflight = service.send(Method::OPTIONS, "/stats", &asked).await;
    assert_eq!((preflight.status, preflight.header("access-control-allow-headers")), (200, "authorization"));
    assert_eq!(preflight.header("access-control-allow-origin"), "*", "any page that has a key");
    let answer = service.send(Method::GET, "/stats?site_id=a", &asked[..1]).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (401, "*"), "a page reads why");
    assert_eq!(answer.header("access-control-allow-credentials"), "", "but not with a password that a browser keeps");
}

#[tokio::test]
async fn keys_are_those_of_the_file_without_a_restart() {
    let (database, keys) = (database().await, KeysFile::new());
    let key = keys.add(&["--site", "a"]).await;
    let service = keys.service(&database).await;
    let path = "/stats?site_id=a";
    assert_eq!(service.get_with(&key, path).await.status, 200);
    let added = keys.add(&["--site", "a"]).await;
    assert_eq!(until_changed(&service, &added, path, 401).await.status, 200);
    keys.revoke(&key).await;
    assert_eq!(code(&until_changed(&service, &key, path, 200).await), refused(401, "revoked_key"));
}

#[tokio::test]
async fn without_its_file_it_does_not_start() {
    let (database, keys) = (database().await, KeysFile::new());
    let mut service = keys.service(&database).await;
    let ended = (&mut service.running).await.expect("no panic").expect_err("there is no file");
    assert!(format!("{ended:#}").contains("QUERY_KEYS_FILE"), "{ended:#}");
    keys.add(&["--all-sites"]).await;
    std::fs::write(&keys.path, "tm_secret\n").expect("damaged");
    let mut service = keys.service(&database).await;
    let ended = format!("{:#}", (&mut service.running).await.expect("no panic").expect_err("it is damaged"));
    assert!(ended.contains("line 1 is no key") && !ended.contains("tm_secret"), "{ended}");
}

fn rate(text: &str) -> Rate {
    Rate::try_from(text.to_owned()).expect("a rate")
}

#[tokio::test]
async fn who_asks_too_often_waits() {
    let (database, keys) = (database().await, KeysFile::new());
    let (key, other) = (keys.add(&["--site", "a"]).await, keys.add(&["--site", "a"]).await);
    let service = keys
        .service_with(&database, |config| {
            config.rate_per_key = Some(rate("1:3"));
            config.rate_per_address = Some(rate("1:10"));
            config.trusted_proxies = Proxies::try_from("127.0.0.1".to_owned()).expect("an address");
        })
        .await;
    let path = "/stats?site_id=a";
    let get = async |key: &str, forwarded_for: &str| {
        let headers = [("authorization", &*format!("Bearer {key}")), ("x-forwarded-for", forwarded_for)];
        service.send(Method::GET, path, &headers).await
    };
    // Each from another address, so it is the key that is counted. A slow machine may be given a few more.
    let mut taken = 0;
    let answer = loop {
        let answer = get(&key, &format!("203.0.113.{taken}")).await;
        if answer.status != 200 || taken == 100 {
            break answer;
        }
        taken += 1;
    };
    assert!((3..30).contains(&taken), "{taken}");
    assert_eq!((code(&answer), answer.header("retry-after")), (refused(429, "too_many_requests"), "1"));
    assert_eq!(get(&other, "203.0.113.99").await.status, 200, "another key");
    // The rate of an address counts requests with any key, and with keys that are tried out. The address that a client claims
    // stands before the one that the proxy adds.
    let mut tried = 0;
    while tried < 100 && get("tm_x_y", &format!("198.51.100.{tried}, 192.0.2.7")).await.status == 401 {
        tried += 1;
    }
    assert!((10..90).contains(&tried), "{tried}");
    assert_eq!(service.get("/healthz").await.status, 200, "never refused");
    assert_eq!(get(&other, "192.0.2.8").await.status, 200, "another address");
}

#[tokio::test]
async fn keys_and_rates_are_described_where_there_are_any() {
    let (database, keys) = (database().await, KeysFile::new());
    keys.add(&["--all-sites"]).await;
    let service = keys.service_with(&database, |config| config.rate_per_key = Some(rate("50"))).await;
    let document = service.get("/api-docs/openapi.json").await.json();
    let schemes = document["components"]["securitySchemes"].as_object().expect("schemes");
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["key", "key_as_password", "key_in_address"]);
    assert_eq!(document["security"], json!([{"key": []}, {"key_in_address": []}, {"key_as_password": []}]));
    for (path, item) in document["paths"].as_object().expect("paths") {
        let responses = &item["get"]["responses"];
        for status in ["401", "403", "429"] {
            let schema = &responses[status]["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(schema, "#/components/schemas/RefusalBody", "{path} {status}");
        }
    }
}
