use serde_json::{Value, json};

use crate::models::{BATCH, Batch};
use crate::service::{Service, with_models};

/// A page, which is expected to be there.
async fn page(service: &Service, query: &str) -> Value {
    let answer = service.get(&format!("/paths?site_id=site-abc-123&{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    answer.json()
}

/// Paths and views of all pages.
async fn all_pages(service: &Service, query: &str) -> Vec<(String, u64)> {
    let mut paths = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = page(service, &format!("{query}{cursor}")).await;
        paths.extend(entries(&page));
        let Some(next) = page["next_cursor"].as_str() else { return paths };
        cursor = format!("&cursor={next}");
    }
}

fn entries(page: &Value) -> Vec<(String, u64)> {
    let paths = page["paths"].as_array().expect("paths").iter();
    paths
        .map(|top| (top["path"].as_str().expect("a path").to_owned(), top["views"].as_u64().expect("a number")))
        .collect()
}

fn names(page: &Value) -> Vec<String> {
    entries(page).into_iter().map(|(path, _)| path).collect()
}

#[tokio::test]
async fn a_page_is_answered_to_the_letter() {
    let (service, models, ..) = with_models().await;
    models.add(&Batch { paths: &[("/pricing", 7), ("/", 5)], ..BATCH }).await;
    let answer = service.get("/paths?site_id=site-abc-123").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(
        answer.body,
        concat!(
            r#"{"site_id":"site-abc-123","event_type":"page_view","paths":[{"path":"/pricing","views":7},"#,
            r#"{"path":"/","views":5}],"next_cursor":null}"#
        )
    );
    assert_eq!(page(&service, "date=2025-11-13").await["paths"], json!([]));
}

#[tokio::test]
async fn pages_together_are_all_paths_in_order() {
    let (service, models, ..) = with_models().await;
    let mut paths: Vec<_> = (0..250).map(|number| (format!("/{number:03}"), 1 + number % 7)).collect();
    let batch: Vec<_> = paths.iter().map(|(path, views)| (path.as_str(), *views)).collect();
    models.add(&Batch { paths: &batch, ..BATCH }).await;
    paths.sort_by(|(path, views), (other, others)| others.cmp(views).then_with(|| path.cmp(other)));
    let paths: Vec<_> = paths.into_iter().map(|(path, views)| (path, views.unsigned_abs())).collect();
    for days in ["", "&date=2025-11-12", "&from=2025-11-01", "&to=2025-11-30"] {
        for limit in ["limit=1000", "limit=100", "limit=7", "limit=249", "limit=250"] {
            assert_eq!(all_pages(&service, &format!("{limit}{days}")).await, paths, "{limit}{days}");
        }
    }
    assert_eq!(page(&service, "").await["paths"].as_array().map(Vec::len), Some(100));
    assert_eq!(page(&service, "limit=250").await["next_cursor"], Value::Null);
}

#[tokio::test]
async fn days_types_and_partitions_are_told_apart_or_added_up() {
    let (service, models, ..) = with_models().await;
    for (day, partition_id, views) in [("2025-11-11", 2, 1), ("2025-11-12", 2, 10), ("2025-11-12", 7, 100)] {
        models.add(&Batch { day, partition_id, paths: &[("/é", views), ("/b", 2 * views)], ..BATCH }).await;
        models.add(&Batch { event_type: "signup", day, paths: &[("/join", 4)], ..BATCH }).await;
    }
    for (query, expected) in [
        ("", [222, 111]),
        ("date=2025-11-12", [220, 110]),
        ("to=2025-11-11", [2, 1]),
        ("from=2025-11-12&to=2025-11-13", [220, 110]),
    ] {
        let expected = [("/b".to_owned(), expected[0]), ("/é".to_owned(), expected[1])];
        assert_eq!(entries(&page(&service, query).await), expected, "{query}");
    }
    assert_eq!(entries(&page(&service, "event_type=signup").await), [("/join".to_owned(), 12)]);
}

/// Paths that differ where a pattern of SQL, of a shell or of a regular expression would not see it.
const SPECIAL: &[(&str, i64)] = &[
    ("/", 1),
    ("/100%", 2),
    ("/100_", 3),
    ("/100x", 4),
    ("/A", 5),
    ("/a", 6),
    ("/a%b", 7),
    ("/a*b", 8),
    ("/a.b", 9),
    ("/a\\b", 10),
    ("/a'b", 11),
    ("/ä b", 12),
    ("/b/a", 13),
];

#[tokio::test]
async fn what_is_looked_for_has_no_wildcards() {
    let (service, models, ..) = with_models().await;
    models.add(&Batch { paths: SPECIAL, ..BATCH }).await;
    for (text, encoded) in [
        ("%", "%25"),
        ("_", "_"),
        ("100_", "100_"),
        ("\\", "%5C"),
        ("*", "*"),
        (".", "."),
        ("'", "'"),
        ("a", "a"),
        ("/a", "%2Fa"),
        ("/100", "/100"),
        ("ä b", "%C3%A4+b"),
        ("", ""),
        ("/", "/"),
        ("nothing", "nothing"),
        ("%'; drop table path_total; --", "%25'%3B%20drop%20table%20path_total%3B%20--"),
    ] {
        for days in ["", "&date=2025-11-12"] {
            let found = |holds: &dyn Fn(&str) -> bool| {
                let found = SPECIAL.iter().rev().filter(|(path, _)| holds(path));
                found.map(|(path, _)| (*path).to_owned()).collect::<Vec<_>>()
            };
            let searched = names(&page(&service, &format!("search={encoded}{days}")).await);
            assert_eq!(searched, found(&|path| path.contains(text)), "search={text}{days}");
            let prefixed = names(&page(&service, &format!("prefix={encoded}{days}")).await);
            assert_eq!(prefixed, found(&|path| path.starts_with(text)), "prefix={text}{days}");
        }
    }
    assert_eq!(names(&page(&service, "prefix=/a&search=b").await), ["/a'b", "/a\\b", "/a.b", "/a*b", "/a%b"]);
}

#[tokio::test]
async fn a_page_goes_on_where_the_one_before_ended_whatever_has_changed() {
    let (service, models, ..) = with_models().await;
    models.add(&Batch { paths: &[("/a", 50), ("/b", 40), ("/c", 30), ("/d", 20), ("/e", 10)], ..BATCH }).await;
    let first = page(&service, "limit=2").await;
    assert_eq!(names(&first), ["/a", "/b"]);
    // `/e` overtakes all, `/c` grows a little, `/f` is new, and `/b` is no longer where the page ended.
    models.add(&Batch { paths: &[("/e", 90), ("/c", 5), ("/f", 25), ("/b", 1)], ..BATCH }).await;
    let next = first["next_cursor"].as_str().expect("a cursor");
    let rest = page(&service, &format!("limit=9&cursor={next}")).await;
    assert_eq!(entries(&rest), [("/c".to_owned(), 35), ("/f".to_owned(), 25), ("/d".to_owned(), 20)]);
}

#[tokio::test]
async fn a_cursor_belongs_to_its_request() {
    let (service, models, ..) = with_models().await;
    models.add(&Batch { paths: &[("/a", 3), ("/b", 2), ("/c", 1)], ..BATCH }).await;
    models.add(&Batch { site_id: "other", paths: &[("/secret", 1)], ..BATCH }).await;
    let cursor = page(&service, "limit=1").await["next_cursor"].as_str().expect("a cursor").to_owned();
    assert_eq!(names(&page(&service, &format!("limit=2&format=json&cursor={cursor}")).await), ["/b", "/c"]);
    let mine = "site_id=site-abc-123";
    let damaged = format!("{mine}&cursor=A{}", &cursor[1..]);
    let longer = format!("{mine}&cursor={cursor}AAAA");
    for query in [
        &format!("site_id=other&cursor={cursor}"),
        &format!("{mine}&event_type=signup&cursor={cursor}"),
        &format!("{mine}&date=2025-11-12&cursor={cursor}"),
        &format!("{mine}&prefix=/&cursor={cursor}"),
        &format!("{mine}&search=/&cursor={cursor}"),
        &damaged,
        &longer,
        &format!("{mine}&cursor="),
        &format!("{mine}&cursor=%00"),
        &format!("{mine}&cursor={}", "A".repeat(8_000)),
    ] {
        let answer = service.get(&format!("/paths?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
        assert_eq!(answer.error(), "cursor must be the next_cursor of an answer to the same request");
        assert_eq!(answer.json()["code"], "invalid_cursor");
    }
    let of_paths = service.get(&format!("/sites?cursor={cursor}")).await;
    assert_eq!((of_paths.status, &of_paths.json()["code"]), (400, &json!("invalid_cursor")));
}

#[tokio::test]
async fn the_longest_path_has_a_cursor() {
    let (service, models, ..) = with_models().await;
    let longest = format!("/{}", "é".repeat(1_023));
    models.add(&Batch { paths: &[(&longest, 2), ("/b", 1)], ..BATCH }).await;
    assert_eq!(all_pages(&service, "limit=1").await, [(longest, 2), ("/b".to_owned(), 1)]);
}

#[tokio::test]
async fn what_is_looked_for_has_bounds() {
    let (service, ..) = with_models().await;
    for (query, name) in [
        (format!("prefix={}", "a".repeat(2_049)), "prefix"),
        (format!("search={}", "%C3%A9".repeat(1_025)), "search"),
        ("search=a%00b".to_owned(), "search"),
    ] {
        let answer = service.get(&format!("/paths?site_id=a&{query}")).await;
        let error = format!("{name} must be at most 2048 bytes long, without the character U+0000");
        assert_eq!((answer.status, answer.error()), (400, error));
        assert_eq!(answer.json()["code"], "invalid_pattern");
    }
    let longest = format!("prefix={0}&search={0}", "a".repeat(2_048));
    assert_eq!(page(&service, &longest).await["paths"], json!([]));
    let answer = service.get("/paths?site_id=a&limit=1001").await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "limit must be a whole number from 1 to 1000"));
}
