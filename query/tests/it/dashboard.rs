use reqwest::Method;

use crate::models::{BATCH, Batch};
use crate::server::Database;
use crate::service::{Answer, Service, with_models};

/// The largest size of a page with everything that it loads.
const PAGE_BYTES_MAX: usize = 100_000;

const NOVEMBER: &str = "/?site=site-abc-123&from=2025-11-01&to=2025-11-30";

const EXAMPLE: Batch<'static> =
    Batch { paths: &[("/pricing", 700), ("/blog/post-1", 500), ("/", 250)], users: 0..212, ..BATCH };

/// The texts between quotes behind `before`.
fn quoted<'a>(page: &'a str, before: &str) -> Vec<&'a str> {
    page.split(before).skip(1).map(|rest| rest.split('"').next().expect("a quote ends")).collect()
}

fn is_html(answer: &Answer) -> bool {
    answer.header("content-type") == "text/html; charset=utf-8" && answer.body.starts_with("<!DOCTYPE html>")
}

#[tokio::test]
async fn a_page_has_the_numbers_of_its_reports() {
    let (service, models, ..) = with_models().await;
    models.add(&EXAMPLE).await;
    models.add(&Batch { day: "2025-10-20", paths: &[("/", 1_000)], users: 0..300, ..EXAMPLE }).await;
    models.add(&Batch { event_type: "signup", paths: &[("/join", 4)], users: 0..3, ..BATCH }).await;
    let page = service.get(NOVEMBER).await;
    assert_eq!((page.status, is_html(&page)), (200, true));
    let stats = service.stats("site_id=site-abc-123&from=2025-11-01&to=2025-11-30").await;
    assert_eq!((&stats["total_views"], &stats["unique_users"]), (&1_450.into(), &212.into()));
    for said in [
        "<p class=\"figure\">1,450</p>",
        "<p class=\"figure\">212 <span class=\"exactness\"",
        "▲ 45 %",
        "against 1,000 in the 30 days before",
        "▼ 29 %",
        "against 300 in the 30 days before",
        "12 November 2025: 1,450 views, 212 users",
        "11 November 2025: 0 views, 0 users",
        "<bdi>/pricing</bdi></th><td class=\"number\">700</td><td class=\"number share\">48 %</td>",
        "event=signup\">signup</a></th><td class=\"number\">4</td><td class=\"number\">3</td>",
        "off by at most 3, 99 % sure",
        "generation 1; whether anything is missing is not known at the moment.",
    ] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    assert!(!page.body.contains("Referrers"), "this generation does not count them");
}

#[tokio::test]
async fn a_page_is_about_what_its_address_says() {
    let (service, models, ..) = with_models().await;
    models.add(&EXAMPLE).await;
    models.add(&Batch { event_type: "signup", paths: &[("/join", 4)], users: 0..3, ..BATCH }).await;
    models.add(&Batch { site_id: "other.example", paths: &[("/secret", 99)], ..BATCH }).await;
    let body = async |rest: &str| service.get(&format!("{NOVEMBER}{rest}")).await.body;
    let signups = body("&event=signup").await;
    assert!(signups.contains("<p class=\"figure\">4</p>") && signups.contains("<bdi>/join</bdi>"), "{signups}");
    let found = body("&search=o").await;
    assert!(found.contains("<bdi>/blog/post-1</bdi>") && !found.contains("<bdi>/pricing</bdi>"), "{found}");
    assert!(found.contains("<p class=\"figure\">1,450</p>"), "a search is for paths only");
    for wildcard in ["%25", "_", "%5C", ".*"] {
        assert!(body(&format!("&search={wildcard}")).await.contains("No path contains"), "{wildcard}");
    }
    assert!(!body("&search=secret").await.contains("<bdi>/secret</bdi>"), "that is another site's");
    let today = service.get("/?site=site-abc-123&range=today").await.body;
    assert!(today.contains("The last events of this site were on 12 November 2025"), "{today}");
}

#[tokio::test]
async fn nothing_from_outside_is_markup() {
    const PATH: &str = "/<script>alert('\"')</script>";
    let (service, models, ..) = with_models().await;
    models.add(&Batch { paths: &[(PATH, 7)], ..BATCH }).await;
    let page = service.get(NOVEMBER).await;
    assert!(page.body.contains("/&lt;script&gt;alert('&quot;')&lt;/script&gt;"), "{}", page.body);
    for query in ["?site=%3Cscript%3E", "?site=a&search=%22%3E%3Cscript%3E", "?range=%3Cscript%3E", "?site=%22%3E"] {
        let answer = service.get(&format!("/{query}")).await;
        assert!(is_html(&answer) && !answer.body.contains("<script>"), "{query}: {}", answer.body);
    }
    assert_eq!(page.body.matches("<script").count(), 1);
}

#[tokio::test]
async fn a_page_loads_little_and_all_of_it_from_here() {
    let (service, models, ..) = with_models().await;
    let paths: Vec<_> = (0..500).map(|number| format!("/{number:0>200}/{}", "\"&".repeat(900))).collect();
    let paths: Vec<_> = paths.iter().map(|path| (path.as_str(), 1_000_000)).collect();
    models.add(&Batch { paths: &paths, ..BATCH }).await;
    let page = service.get("/?site=site-abc-123&from=2015-12-01&to=2025-11-30").await;
    let files: Vec<_> = [quoted(&page.body, " href=\"assets/"), quoted(&page.body, " src=\"assets/")].concat();
    assert!(files.len() >= 3, "{files:?}");
    let mut bytes = page.body.len();
    for (file, content_type) in files.iter().map(|file| (file, &file[file.rfind('.').expect("an ending")..])) {
        let answer = service.get(&format!("/assets/{file}")).await;
        let expected = match content_type {
            ".css" => "text/css; charset=utf-8",
            ".js" => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!((answer.status, answer.header("content-type")), (200, expected), "{file}");
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
        let known = [("if-none-match", answer.header("etag"))];
        let again = service.send(Method::GET, &format!("/assets/{file}"), &known).await;
        assert_eq!((again.status, again.body.len()), (304, 0));
        bytes += answer.body.len();
    }
    assert!(bytes < PAGE_BYTES_MAX, "{bytes} bytes");
    assert_eq!(service.get("/assets/style.css").await.status, 404);
}

#[tokio::test]
async fn a_page_may_do_nothing_that_it_need_not() {
    let (service, ..) = with_models().await;
    for path in ["/", "/?range=nonsense", "/assets/nothing"] {
        let answer = service.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'self';") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
    }
    assert_eq!(service.send(Method::POST, "/", &[]).await.status, 405);
}

#[tokio::test]
async fn pages_without_numbers_say_what_to_do() {
    let (service, models, ..) = with_models().await;
    let curl = "curl http://127.0.0.1:3000/event";
    let empty = service.get("/").await;
    assert_eq!((empty.status, is_html(&empty), empty.body.contains(curl)), (200, true, true), "{}", empty.body);
    models.add(&EXAMPLE).await;
    models.add(&Batch { site_id: "site-abc-1234", event_type: "signup", ..EXAMPLE }).await;
    let sites = service.get("/").await;
    assert!(sites.body.contains("href=\"?site=site-abc-123&amp;range=30d\""), "{}", sites.body);
    assert!(sites.body.contains("<option value=\"site-abc-1234\">"), "{}", sites.body);
    for unknown in ["site-abc", "site-abc-12", "silent"] {
        let page = service.get(&format!("/?site={unknown}")).await;
        assert_eq!((page.status, is_html(&page), page.body.contains(curl)), (404, true, true), "{}", page.body);
        assert!(page.body.contains(&format!("&quot;site_id&quot;:&quot;{unknown}&quot;")), "{}", page.body);
    }
    for (query, sentence) in [
        ("site=a&from=2025-11-13&to=2025-11-12", "The first day must not be later than the last."),
        ("site=a&site=b", "A parameter of the address is repeated"),
        ("site=a&search=%00", "Use at most 100 characters"),
    ] {
        let page = service.get(&format!("/?{query}")).await;
        assert_eq!((page.status, is_html(&page)), (400, true), "{query}");
        assert!(page.body.contains(sentence), "{sentence}: {}", page.body);
    }
}

#[tokio::test]
async fn a_page_says_that_read_models_are_away() {
    let database = Database::empty().await;
    let service = Service::start(database.service_url()).await;
    let page = service.get(NOVEMBER).await;
    assert_eq!((page.status, is_html(&page), page.header("retry-after")), (503, true, "5"));
    assert_eq!(page.header("refresh"), "5", "browsers try again by themselves");
    assert!(page.body.contains("The read models cannot be read."), "{}", page.body);
    database.migrate().await;
    let page = service.get(NOVEMBER).await;
    assert_eq!((page.status, page.body.contains("There are no read models yet")), (503, true), "{}", page.body);
}
