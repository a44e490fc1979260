use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::clients::http::Client;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;

use crate::clients::browser::Browser;
use crate::clients::page::Page;

/// A browser sends a beacon when it has time for it, on a machine that does other things too.
const SOON: Duration = Duration::from_secs(30);

const SITE: &str = "shop.example";

/// What a function of a page comes to, which is JSON.
async fn call(browser: &Browser, page: &Page, function: &str) -> Result<Value> {
    browser.web.goto(page.origin()).await?;
    let script = format!(
        "const done = arguments[arguments.length - 1]; window.{function}().then(done, (failure) => done(String(failure)))"
    );
    let answered = browser.web.execute_async(&script, Vec::new()).await?;
    let text = answered.json().as_str().context("a text")?.to_owned();
    serde_json::from_str(&text).context(text)
}

/// The interfaces' descriptions are shown although their pages may do little.
async fn describe(browser: &Browser, clients: [&Client; 2]) -> Result<()> {
    for client in clients {
        // What other pages complained about is none of theirs.
        browser.complaints().await?;
        browser.web.goto(client.url("/api-docs/")).await?;
        wait::until("the description", SOON, async || browser.text(".opblock").await.ok()).await;
        assert_eq!(browser.complaints().await?, Vec::<String>::new());
    }
    Ok(())
}

/// Views by path, as reports have them.
async fn counted(stack: &Stack) -> Option<BTreeMap<String, u64>> {
    let report = stack.query_client.get(&format!("/paths?site_id={SITE}&limit=100")).await.ok()?.json();
    let paths = report["paths"].as_array()?.iter();
    paths.map(|path| Some((path["path"].as_str()?.to_owned(), path["views"].as_u64()?))).collect()
}

#[tokio::test]
async fn a_page_is_told_what_is_counted_whichever_way_it_sends() -> TestResult {
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let html = include_str!("pages/send.html").replace("TARGET", &stack.ingest_client.url("/event"));
    let html = html.replace("REPORTS", &stack.query_client.url("")).replace("SITE", SITE);
    let (page, other) = (Page::serve(&html).await?, Page::serve(&html).await?);
    let _query = stack.query_with(&[("QUERY_ORIGINS", page.origin())]).await?;
    let browser = Browser::start(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages")).await?;
    let outcome = call(&browser, &page, "send").await;
    let (read, unread) = (call(&browser, &page, "read").await, call(&browser, &other, "read").await);
    let described = describe(&browser, [&stack.ingest_client, &stack.query_client]).await;
    browser.quit().await?;
    let outcome = outcome?;
    described?;
    assert_eq!((read?, unread?), (json!([true, true, true, true]), json!([false, false, false, false])));

    let told = outcome["told"].as_object().context("what the page was told")?;
    assert!(told.len() >= 17, "{told:?}");
    let lost: Vec<_> = told.iter().filter(|(_, told)| **told != json!(true)).collect();
    assert!(lost.is_empty(), "the page was told that these are lost: {lost:?}");
    let expected: BTreeMap<_, _> = told.keys().map(|path| (path.clone(), 1)).collect();
    let all = async || (counted(&stack).await?.len() >= expected.len()).then_some(());
    let _ = tokio::time::timeout(SOON, wait::until("all are counted", 2 * SOON, all)).await;
    assert_eq!(counted(&stack).await.context("a report")?, expected);
    assert_eq!(outcome["refusal"], "400 missing_field", "a page reads why");
    Ok(())
}
