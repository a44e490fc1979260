use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::servers::nginx::Nginx;
use anyhow::Result;
use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::redirect::Policy;
use serde_json::json;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;
use thirtyfour::prelude::*;

use crate::clients::browser::{Browser, Screen};

/// A page loads, and becomes live, within this time on a busy machine.
const SOON: Duration = Duration::from_secs(30);

pub(crate) const SITE: &str = "shop.example";

/// Answers 404 to whatever is not below the path: an address made from the root shows there.
fn below(path: &str, query_port: u16) -> String {
    format!(
        "location {path} {{ proxy_pass http://127.0.0.1:{query_port}/; }}
         location / {{ return 404; }}"
    )
}

pub(crate) fn event(number: u32) -> String {
    let timestamp = DateTime::<Utc>::from(SystemTime::now()).to_rfc3339_opts(SecondsFormat::Secs, true);
    json!({"site_id": SITE, "event_type": "page_view", "path": format!("/{number}"), "timestamp": timestamp})
        .to_string()
}

#[tokio::test]
async fn the_dashboard_works_below_a_path() -> TestResult {
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let _query = stack.query().await?;
    assert_eq!(stack.ingest_client.post("/event", event(1)).await?.status, 200);
    stack.drained(DATABASE).await?;
    for path in ["/analytics/", "/a/b/c/"] {
        let nginx = Nginx::start(&stack.folder().join("nginx"), &below(path, stack.query_client.port())).await?;
        let base = format!("http://127.0.0.1:{}{path}", nginx.port());
        leads_to_its_description(&base).await?;
        let browser = Browser::start(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("subpath")).await?;
        let outcome = read(&browser, &stack, &base).await;
        if outcome.is_err() {
            browser.picture("failure", Screen::DESK).await?;
        }
        browser.quit().await?;
        outcome?;
    }
    Ok(())
}

#[tokio::test]
async fn a_page_becomes_live_again_when_query_was_away_behind_a_proxy() -> TestResult {
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let query = stack.query().await?;
    assert_eq!(stack.ingest_client.post("/event", event(1)).await?.status, 200);
    stack.drained(DATABASE).await?;
    let nginx = Nginx::start(&stack.folder().join("nginx"), &below("/a/", stack.query_client.port())).await?;
    let browser = Browser::start(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("subpath")).await?;
    browser.web.goto(&format!("http://127.0.0.1:{}/a/?site={SITE}", nginx.port())).await?;
    shows(&browser, "live").await;
    query.stop().await;
    // The proxy answers 502, and the browser gives the stream up.
    shows(&browser, "not live").await;
    let _query = stack.query().await?;
    assert_eq!(stack.ingest_client.post("/event", event(2)).await?.status, 200);
    shows(&browser, "live").await;
    wait::until("what was missed shows", SOON, async || {
        (browser.text("[data-live-views]").await.ok()? == "2").then_some(())
    })
    .await;
    Ok(browser.quit().await?)
}

/// Waits until the card says so.
async fn shows(browser: &Browser, state: &str) {
    wait::until(&format!("the card is {state}"), SOON, async || {
        (browser.text("[data-live-state]").await.ok()? == state).then_some(())
    })
    .await;
}

/// Redirects and addresses in answers stay below the path.
async fn leads_to_its_description(base: &str) -> Result<()> {
    let client = reqwest::Client::builder().redirect(Policy::limited(5)).no_proxy().build()?;
    let described = client.get(format!("{base}api-docs")).send().await?;
    assert_eq!((described.status().as_u16(), described.url().as_str()), (200, format!("{base}api-docs/").as_str()));
    let initializer = client.get(format!("{base}api-docs/swagger-initializer.js")).send().await?.text().await?;
    assert!(initializer.contains("\"openapi.json\"") && !initializer.contains("\"/"), "{initializer}");
    assert_eq!(client.get(format!("{base}api-docs/openapi.json")).send().await?.status(), 200);
    // nginx leads to the folder.
    let unslashed = client.get(base.trim_end_matches('/')).send().await?;
    assert_eq!((unslashed.status().as_u16(), unslashed.url().as_str()), (200, base));
    Ok(())
}

async fn read(browser: &Browser, stack: &Stack, base: &str) -> Result<()> {
    browser.use_screen(Screen::DESK).await?;
    browser.web.goto(base).await?;
    assert_eq!(browser.text("h1").await?, "Sites");
    // Its style is there: without one the heading of the page is transparent.
    let rules = browser.number("return document.styleSheets.length && document.styleSheets[0].cssRules.length").await?;
    assert!(rules > 10, "{rules} rules of style");
    browser.follow(By::LinkText(SITE)).await?;
    assert_eq!(browser.text("h1").await?, SITE);
    stays_below(browser, base).await?;
    shows(browser, "live").await;
    let before = browser.text("[data-live-views]").await?;
    assert_eq!(stack.ingest_client.post("/event", event(2)).await?.status, 200);
    wait::until("today's card changes", SOON, async || {
        (browser.text("[data-live-views]").await.ok()? != before).then_some(())
    })
    .await;
    for link in ["7 days", "Year", "Tidemark"] {
        browser.follow(By::PartialLinkText(link)).await?;
        stays_below(browser, base).await?;
    }
    // Forms: of a site, of days, and of a search.
    browser.follow(By::Css(".sites button")).await?;
    stays_below(browser, base).await?;
    assert_eq!(browser.text("h1").await?, SITE);
    browser.follow(By::Css(".ranges form button")).await?;
    stays_below(browser, base).await?;
    browser.web.find(By::Id("search")).await?.send_keys("/1").await?;
    browser.follow(By::Css(".search button")).await?;
    stays_below(browser, base).await?;
    assert!(browser.text("[data-fresh='paths'] tbody tr").await?.starts_with("/1"));
    browser.follow(By::LinkText("API")).await?;
    stays_below(browser, base).await?;
    wait::until("the description", SOON, async || browser.text(".swagger-ui .title").await.ok().map(drop)).await;
    assert_eq!(browser.complaints().await?, Vec::<String>::new());
    Ok(())
}

async fn stays_below(browser: &Browser, base: &str) -> Result<()> {
    let address = browser.web.current_url().await?;
    assert!(address.as_str().starts_with(base), "{address} is not below {base}");
    Ok(())
}
