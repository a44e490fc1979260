use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;
use thirtyfour::WindowHandle;

use crate::clients::browser::{Browser, Screen};
use crate::subpath::{SITE, event};

/// Browsers open six connections to a host.
const TABS: usize = 8;

/// A tab that is shown is live, and up to date, within this time on a busy machine. A refresh comes after five seconds.
const SOON: Duration = Duration::from_secs(30);

/// Plain HTTP/1.1, as query serves it.
#[tokio::test]
async fn eight_tabs_of_one_browser_all_load_and_are_up_to_date_when_they_are_shown() -> TestResult {
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let _query = stack.query().await?;
    assert_eq!(stack.ingest_client.post("/event", event(1)).await?.status, 200);
    stack.drained(DATABASE).await?;
    let browser = Browser::start(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("tabs")).await?;
    let outcome = look_at_tabs(&browser, &stack).await;
    if outcome.is_err() {
        browser.picture("failure", Screen::DESK).await?;
    }
    browser.quit().await?;
    Ok(outcome?)
}

async fn look_at_tabs(browser: &Browser, stack: &Stack) -> Result<()> {
    let page = stack.query_client.url(&format!("/?site={SITE}&range=today"));
    let mut tabs = Vec::new();
    for number in 0..TABS {
        let tab = if number == 0 { browser.web.window().await? } else { browser.web.new_tab().await? };
        show(browser, &tab).await?;
        // A page that waits for a connection never comes: better to see it here than to hang.
        browser.web.set_page_load_timeout(SOON).await?;
        browser.web.goto(&page).await?;
        assert_eq!(browser.text("h1").await?, SITE, "tab {number}");
        is_live(browser, &format!("tab {number} is live")).await;
        tabs.push(tab);
    }
    for (shown, tab) in tabs.iter().enumerate().take(2) {
        let number = u32::try_from(shown)? + 2;
        assert_eq!(stack.ingest_client.post("/event", event(number)).await?.status, 200);
        stack.drained(DATABASE).await?;
        show(browser, tab).await?;
        is_up_to_date(browser, &format!("tab {shown} is shown"), number).await;
    }
    // A page that is left and come back to is kept by the browser as it was.
    browser.web.goto(stack.query_client.url("/")).await?;
    assert_eq!(stack.ingest_client.post("/event", event(4)).await?.status, 200);
    stack.drained(DATABASE).await?;
    browser.web.back().await?;
    is_up_to_date(browser, "the page is come back to", 4).await;
    assert_eq!(browser.complaints().await?, Vec::<String>::new());
    Ok(())
}

/// Brings a tab to the front: to talk to it does not show it.
async fn show(browser: &Browser, tab: &WindowHandle) -> Result<()> {
    browser.web.switch_to_window(tab.clone()).await?;
    browser.web.cdp().send_raw("Page.bringToFront", json!({})).await?;
    Ok(())
}

/// Today's card follows, and the rest of the page has the same number.
async fn is_up_to_date(browser: &Browser, what: &str, events: u32) {
    is_live(browser, what).await;
    for selector in ["[data-live-views]", "[data-fresh='views'] .figure"] {
        wait::until(what, SOON, async || {
            let text = browser.text(selector).await.ok()?;
            (text.split_whitespace().next()? == events.to_string()).then_some(())
        })
        .await;
    }
}

async fn is_live(browser: &Browser, what: &str) {
    wait::until(what, SOON, async || (browser.text("[data-live-state]").await.ok()? == "live").then_some(())).await;
}
