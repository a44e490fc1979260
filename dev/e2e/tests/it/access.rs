use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use testkit::clients::http::{Answer, Client};
use testkit::clients::load::event;
use testkit::failure::TestResult;
use testkit::observe::log;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;

/// The file of keys is looked at every second.
const SOON: Duration = Duration::from_secs(30);

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

async fn post(client: &Client, key: &str, path: &str, body: impl Into<String>) -> Result<Answer> {
    Ok(client.post_with(path, ("authorization", &format!("Bearer {key}")), body.into()).await?)
}

async fn metric(client: &Client, key: &str, name: &str) -> Option<String> {
    let text = client.get(&format!("/metrics?key={key}")).await.ok()?.text;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned))
}

#[tokio::test]
async fn events_are_taken_with_a_key_for_their_site() -> TestResult {
    let stack = Stack::servers().await?;
    let keys = stack.keys_of("ingest");
    let (key, all) = (keys.add(&["--site", "a", "--site", "b"]).await?, keys.add(&["--all-sites"]).await?);
    let revoked = keys.add(&["--all-sites"]).await?;
    keys.revoke(&revoked).await?;
    let ingest = stack.ingest(&[("INGEST_KEYS_FILE", keys.name()), ("RUST_LOG", "trace")]).await?;
    let client = &stack.ingest_client;

    for path in ["/event", "/events"] {
        let answer = client.post(path, event("a", "/")).await?;
        assert_eq!(code(&answer), refused(401, "key_required"), "{path}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"Tidemark\"", "{path}");
        for wrong in [&key[1..], &key[..key.len() - 1], &key.to_uppercase(), "", "%C3%A4"] {
            assert_eq!(code(&post(client, wrong, path, event("a", "/")).await?), refused(401, "invalid_key"), "{path}");
        }
        assert_eq!(code(&post(client, &revoked, path, event("a", "/")).await?), refused(401, "revoked_key"), "{path}");
        for other in ["c", "A", "a.b", "ab"] {
            let answer = post(client, &key, path, event(other, "/")).await?;
            assert_eq!(code(&answer), refused(403, "site_not_allowed"), "{path} {other}");
        }
        for good in [&key, &all] {
            assert_eq!(post(client, good, path, event("a", "/")).await?.status, 200, "{path}");
            let as_parameter = client.post(&format!("{path}?key={good}"), event("b", "/")).await?;
            assert_eq!(as_parameter.status, 200, "{path}: {}", as_parameter.text);
        }
        assert_eq!(post(client, &all, path, event("c", "/")).await?.status, 200, "{path}");
    }
    // The neighbours of another key's event are stored, where their receipts say.
    let sent = [event("a", "/1"), event("c", "/2"), "{}".to_owned(), event("b", "/3")];
    let answer = post(client, &key, "/events", sent.join("\n")).await?.json();
    assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(2), &json!(2)), "{answer}");
    let errors: Vec<_> =
        answer["errors"].as_array().expect("errors").iter().map(|e| (&e["index"], &e["code"])).collect();
    assert_eq!(errors, [(&json!(1), &json!("site_not_allowed")), (&json!(2), &json!("missing_field"))]);
    let log = stack.log().await?;
    for (receipt, sent) in answer["receipts"].as_array().expect("receipts").iter().zip([&sent[0], &sent[3]]) {
        assert_eq!(&log::line(&log, receipt.as_str().expect("a receipt")).await?, sent);
    }

    // Nothing of another site came through, and what came through counts.
    let _projector = stack.projector(DATABASE, &[]).await?;
    stack.drained(DATABASE).await?;
    let counted = "select site_id, sum(views)::bigint from view_total group by site_id order by site_id";
    let counted: Vec<(String, i64)> = sqlx::query_as(counted).fetch_all(&stack.database(DATABASE)?).await?;
    assert_eq!(counted, [("a".to_owned(), 5), ("b".to_owned(), 5), ("c".to_owned(), 2)]);

    // A client that sends much without a key is told why not.
    let large = client.post("/events", vec![b' '; 8 << 20]).await?;
    assert_eq!(code(&large), refused(401, "key_required"));
    let said = ingest.log_tail(1_000_000);
    for secret in [&key, &all, &revoked] {
        assert!(!said.contains(&secret[secret.len() - 43..]), "a secret in the log");
    }
    assert_eq!(ingest.exit_status(), None);
    Ok(())
}

#[tokio::test]
async fn a_key_for_pages_of_an_origin_is_good_there_only() -> TestResult {
    let stack = Stack::servers().await?;
    let keys = stack.keys_of("ingest");
    let key =
        keys.add(&["--site", "a", "--origin", "https://shop.example", "--origin", "http://localhost:8080"]).await?;
    let _ingest = stack.ingest(&[("INGEST_KEYS_FILE", keys.name())]).await?;
    let path = format!("/event?key={key}");
    for (origin, status) in [
        ("https://shop.example", 200),
        ("http://localhost:8080", 200),
        ("http://shop.example", 403),
        ("https://shop.example.evil.example", 403),
        ("https://shop.example:8443", 403),
        ("null", 403),
        ("", 403),
    ] {
        let answer = stack.ingest_client.post_with(&path, ("origin", origin), event("a", "/")).await?;
        assert_eq!(answer.status, status, "{origin}: {}", answer.text);
        // A page that may not send is kept from the answer, too.
        let allowed = answer.headers.get("access-control-allow-origin").and_then(|allowed| allowed.to_str().ok());
        assert_eq!(allowed, (status == 200).then_some(origin), "{origin}");
        let credentials = answer.headers.get("access-control-allow-credentials");
        assert_eq!(credentials.is_some(), status == 200, "{origin}");
    }
    let answer = stack.ingest_client.post(&path, event("a", "/")).await?;
    assert_eq!(code(&answer), refused(403, "origin_not_allowed"), "no page at all");
    Ok(())
}

#[tokio::test]
async fn a_file_that_is_damaged_changes_nothing_and_shows() -> TestResult {
    let stack = Stack::servers().await?;
    let keys = stack.keys_of("ingest");
    let missing = stack.ingest_unready(&[("INGEST_KEYS_FILE", keys.name())])?;
    assert!(!missing.exit().wait().await.success());
    assert!(missing.log_tail(5).contains("INGEST_KEYS_FILE"), "{}", missing.log_tail(5));

    let key = keys.add(&["--all-sites"]).await?;
    let ingest = stack.ingest(&[("INGEST_KEYS_FILE", keys.name())]).await?;
    let client = &stack.ingest_client;
    let is_stale = async |expected: &str| {
        let stale = async || (metric(client, &key, "access_keys_stale").await? == expected).then_some(());
        wait::until("the state of the file shows", SOON, stale).await;
    };
    is_stale("0").await;
    let whole = std::fs::read(keys.path())?;
    for damaged in [Some(b"{\"id\":\"tm_secret".as_slice()), None] {
        match damaged {
            Some(text) => std::fs::write(keys.path(), [whole.as_slice(), text].concat())?,
            None => std::fs::remove_file(keys.path())?,
        }
        is_stale("1").await;
        assert_eq!(post(client, &key, "/event", event("a", "/")).await?.status, 200, "as before");
        assert_eq!(client.post("/event", event("a", "/")).await?.status, 401, "as before");
        std::fs::write(keys.path(), &whole)?;
        is_stale("0").await;
    }
    let said = ingest.log_tail(1_000);
    assert!(said.contains("Cannot read keys") && said.contains("line 2 is no key"), "{said}");
    assert!(!said.contains("tm_secret"), "what is in the file is not told");

    // Added and revoked while it runs.
    let added = keys.add(&["--site", "a"]).await?;
    let status = async |expected: u16| {
        let status =
            async || (post(client, &added, "/event", event("a", "/")).await.ok()?.status == expected).then_some(());
        wait::until("the file is read again", SOON, status).await;
    };
    status(200).await;
    keys.revoke(&added).await?;
    status(401).await;
    let usable = async || (metric(client, &key, "access_keys").await? == "1").then_some(());
    wait::until("one key is left", SOON, usable).await;
    Ok(())
}

#[tokio::test]
async fn commands_say_what_is_wrong() -> TestResult {
    let stack = Stack::servers().await?;
    let keys = stack.keys_of("query");
    let key = keys.add(&["--site", "a", "--note", "for the shop"]).await?;
    for (arguments, sentence) in [
        (&["add"][..], "--site"),
        (&["add", "--site", "a b"], "must be 1 to 64"),
        (&["add", "--site", "a", "--all-sites"], "cannot be used with"),
        (&["add", "--site", "a", "--origin", "https://shop.example/"], "an origin is written"),
        (&["add", "--site", "a", "--note", "two\nlines"], "a note is one line"),
        (&["revoke", "unknown"], "there is no such key"),
    ] {
        let answered = keys.run(arguments).await?;
        assert!(!answered.is_success && answered.text.is_empty(), "{arguments:?}");
        assert!(answered.complaint.contains(sentence), "{arguments:?}: {}", answered.complaint);
    }
    let id = key.split('_').nth(1).expect("an id");
    keys.revoke(&key).await?;
    let again = keys.run(&["revoke", id]).await?;
    assert!(again.is_success && again.complaint.contains("It was revoked before"), "{}", again.complaint);
    let listed = keys.run(&["list"]).await?.text;
    assert!(listed.contains(id) && listed.contains("for the shop") && !listed.contains(&key[key.len() - 43..]));
    let listed: Value = serde_json::from_str(&keys.run(&["list", "--json"]).await?.text)?;
    assert_eq!((&listed["id"], &listed["sites"]), (&json!(id), &json!(["a"])));
    Ok(())
}
