use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use testkit::failure::TestResult;
use testkit::stack::{DATABASE, Stack};
use testkit::wait;
use thirtyfour::prelude::*;

use crate::clients::browser::{Browser, Screen};
use crate::inputs::traffic::Traffic;
use crate::traffic::post;

/// A site that has events today, too.
const SITE: &str = "shop.example";

/// An event shows in a page: counted within a second, pushed, and the rest of the page asked for after five.
const SHOWS_WITHIN: Duration = Duration::from_secs(30);

/// From a page's request to its first paint. Loopback takes a tenth of a second; other tests may run meanwhile.
const FIRST_PAINT_MAX_MS: u64 = 1_000;

#[tokio::test]
async fn somebody_reads_the_dashboard() -> TestResult {
    let traffic = Traffic::load();
    let stack = Stack::servers().await?;
    let _ingest = stack.ingest(&[]).await?;
    let _projector = stack.projector(DATABASE, &[]).await?;
    let _query = stack.query().await?;
    post(&stack, &traffic).await?;
    let events: Vec<_> = (0..40).map(|number| event(number, TimeDelta::hours(7 * i64::from(number)))).collect();
    assert_eq!(stack.ingest_client.post("/events", events.join("\n")).await?.status, 200);
    stack.drained(DATABASE).await?;

    let browser = Browser::start(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard")).await?;
    let outcome = read(&browser, &stack, &traffic).await;
    if outcome.is_err() {
        browser.picture("failure", Screen::DESK).await?;
    }
    browser.quit().await?;
    Ok(outcome?)
}

async fn read(browser: &Browser, stack: &Stack, traffic: &Traffic) -> Result<()> {
    choose(browser, stack).await?;
    watch(browser, stack).await?;
    search(browser, stack, traffic).await?;
    use_keys(browser).await?;
    look(browser, stack, traffic).await
}

/// From the list of sites to one of them, and to other days.
async fn choose(browser: &Browser, stack: &Stack) -> Result<()> {
    browser.use_screen(Screen::DESK).await?;
    browser.web.goto(stack.query_client.url("/")).await?;
    assert_eq!(browser.text("h1").await?, "Sites");
    browser.web.find(By::Css(format!("option[value='{SITE}']"))).await?.click().await?;
    browser.follow(By::Css(".sites button")).await?;
    assert_eq!(browser.text("h1").await?, SITE);
    for (label, days) in [("Today", 1), ("7 days", 7), ("90 days", 90), ("Year", 365), ("30 days", 30)] {
        browser.follow(By::LinkText(label)).await?;
        assert_eq!(browser.text(".ranges a[aria-current]").await?, label);
        let first = now().date_naive() - TimeDelta::days(days - 1);
        shows(browser, stack, &format!("site_id={SITE}&from={first}&to={}", now().date_naive())).await?;
    }
    assert_eq!(browser.complaints().await?, Vec::<String>::new());
    Ok(())
}

/// The cards have the numbers of the report.
async fn shows(browser: &Browser, stack: &Stack, query: &str) -> Result<()> {
    let report = stack.query_client.get(&format!("/stats?{query}")).await?.json();
    let numbers = (figure(browser, "views").await?, figure(browser, "users").await?);
    assert_eq!(numbers, (count(&report["total_views"]), count(&report["unique_users"])), "{query}");
    Ok(())
}

async fn figure(browser: &Browser, card: &str) -> Result<u64> {
    let text = browser.text(&format!("[data-fresh='{card}'] .figure")).await?;
    let digits = text.split_whitespace().next().expect("a number").replace(',', "");
    Ok(digits.parse()?)
}

/// An event that comes while the page is open.
async fn watch(browser: &Browser, stack: &Stack) -> Result<()> {
    browser.web.goto(stack.query_client.url(&format!("/?site={SITE}&range=today"))).await?;
    let before = (live(browser).await, figure(browser, "views").await?);
    assert_eq!(before.0, before.1);
    browser.web.execute("window.isTheSamePage = true", Vec::new()).await?;
    wait::until("the card is live", SHOWS_WITHIN, async || {
        (browser.text("[data-live-state]").await.ok()? == "live").then_some(())
    })
    .await;
    for number in [1, 2] {
        let posted = event(100 + u32::try_from(number)?, TimeDelta::zero());
        assert_eq!(stack.ingest_client.post("/event", posted).await?.status, 200);
        let awaited = before.0 + number;
        wait::until("today's card changes", SHOWS_WITHIN, async || (live(browser).await == awaited).then_some(()))
            .await;
        wait::until("the other cards change", SHOWS_WITHIN, async || {
            (figure(browser, "views").await.ok()? == awaited).then_some(())
        })
        .await;
    }
    let is_the_same = browser.web.execute("return window.isTheSamePage === true", Vec::new()).await?;
    assert_eq!(is_the_same.json(), &Value::Bool(true), "without a reload");
    assert_eq!(browser.complaints().await?, Vec::<String>::new());
    Ok(())
}

async fn live(browser: &Browser) -> u64 {
    let text = browser.text("[data-live-views]").await.expect("the card");
    text.replace(',', "").parse().expect("a number")
}

/// Days of one's own, and paths that contain a text.
async fn search(browser: &Browser, stack: &Stack, traffic: &Traffic) -> Result<()> {
    browser.web.goto(stack.query_client.url(&days_of(traffic))).await?;
    let (views, users) = (figure(browser, "views").await?, figure(browser, "users").await?);
    assert_eq!(views, traffic.all_time.total_views);
    assert!(users.abs_diff(traffic.all_time.unique_users) <= 1);
    let (top, top_views) = &traffic.all_time.top_paths[1];
    browser.web.find(By::Id("search")).await?.send_keys(top).await?;
    browser.follow(By::Css(".search button")).await?;
    let row = browser.text("[data-fresh='paths'] tbody tr").await?;
    assert!(row.starts_with(top) && row.contains(&top_views.to_string()), "{row}");
    assert_eq!(figure(browser, "views").await?, views, "a search is for paths only");
    Ok(())
}

/// Bars are read without a mouse.
async fn use_keys(browser: &Browser) -> Result<()> {
    let chart = browser.web.find(By::Css("[data-chart]")).await?;
    chart.send_keys(Key::Right + Key::Right).await?;
    let (readout, balloon) = (browser.text("[data-readout]").await?, browser.text(".balloon").await?);
    assert!(readout.contains(" views, ") && readout == balloon, "{readout:?} {balloon:?}");
    Ok(())
}

/// On a desk and on a phone, in light and in dark.
async fn look(browser: &Browser, stack: &Stack, traffic: &Traffic) -> Result<()> {
    let pages = [
        ("sites", "/".to_owned(), "Sites"),
        ("log", days_of(traffic), traffic.site_id.as_str()),
        ("month", format!("/?site={SITE}&range=30d"), SITE),
        ("today", format!("/?site={SITE}&range=today"), SITE),
        ("year", format!("/?site={SITE}&range=365d"), SITE),
    ];
    for (device, screen) in [("desk", Screen::DESK), ("phone", Screen::PHONE)] {
        for (scheme, screen) in [("light", screen), ("dark", screen.dark())] {
            browser.use_screen(screen).await?;
            for (name, path, heading) in &pages {
                browser.web.goto(stack.query_client.url(path)).await?;
                assert_eq!(browser.text("h1").await?, *heading);
                let width = browser.number("return document.documentElement.scrollWidth").await?;
                assert!(width <= screen.width.into(), "{name} on a {device} is {width} wide");
                let paint = browser.number(FIRST_PAINT).await?;
                println!("{name}, {device}, {scheme}: first paint after {paint} ms");
                assert!(paint < FIRST_PAINT_MAX_MS);
                browser.picture(&format!("{name}-{device}-{scheme}"), screen).await?;
            }
        }
    }
    assert_eq!(browser.complaints().await?, Vec::<String>::new());
    for (name, path) in [("unknown", "/?site=unknown.example"), ("invalid", "/?site=a&from=never")] {
        browser.use_screen(Screen::DESK).await?;
        browser.web.goto(stack.query_client.url(path)).await?;
        browser.picture(name, Screen::DESK).await?;
    }
    Ok(())
}

const FIRST_PAINT: &str = "const [paint] = performance.getEntriesByName('first-contentful-paint');
    return paint ? Math.round(paint.startTime) : 0";

fn days_of(traffic: &Traffic) -> String {
    let (first, last) = (traffic.days.keys().next().expect("a day"), traffic.days.keys().last().expect("a day"));
    format!("/?site={}&from={first}&to={last}", traffic.site_id)
}

fn event(number: u32, age: TimeDelta) -> String {
    let timestamp = (now() - age).to_rfc3339_opts(SecondsFormat::Secs, true);
    let path = ["/", "/pricing", "/<script>alert(1)</script>"][number as usize % 3];
    json!({"site_id": SITE, "event_type": "page_view", "path": path, "user_id": format!("user-{}", number % 11),
           "timestamp": timestamp, "referrer": "https://search.example/"})
    .to_string()
}

fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

fn count(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}
