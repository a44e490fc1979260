use crate::service::with_models;

#[tokio::test]
async fn what_cannot_be_understood_is_refused_with_the_rule() {
    let (service, ..) = with_models().await;
    let day = "must be a day of the calendar, written YYYY-MM-DD, such as 2025-11-12";
    let name = "must be 1 to 64 of the characters A-Z a-z 0-9 . _ : - and start with a letter or digit";
    let known = "a report takes site_id, date, from, to, event_type, limit, include, compare, meta and after";
    let encoding = "the query string must be percent-encoded UTF-8";
    let receipt = "after must be a receipt, written <partition>-<sequence>-<line>, such as 0-4711-0";
    let limit = "limit must be a whole number from 1 to 1000";
    for (query, error) in [
        ("", "site_id is required"),
        ("?site_id=", "site_id is required"),
        ("?date=2025-11-12", "site_id is required"),
        ("?site_id=a%20b", &format!("site_id {name}")),
        ("?site_id=%C3%A4", &format!("site_id {name}")),
        ("?site_id=a&event_type=", &format!("event_type {name}")),
        ("?site_id=a&event_type=a/b", &format!("event_type {name}")),
        ("?site_id=a&date=2025-02-30", &format!("date {day}")),
        ("?site_id=a&date=2025-2-3", &format!("date {day}")),
        ("?site_id=a&date=2025-11-12T10:00Z", &format!("date {day}")),
        ("?site_id=a&date=%202025-11-12", &format!("date {day}")),
        ("?site_id=a&date=+2025-11-12", &format!("date {day}")),
        ("?site_id=a&date=", &format!("date {day}")),
        ("?site_id=a&from=yesterday", &format!("from {day}")),
        ("?site_id=a&to=2025-13-01", &format!("to {day}")),
        ("?site_id=a&from=2025-11-13&to=2025-11-12", "from must not be later than to"),
        ("?site_id=a&date=2025-11-12&from=2025-11-12", "date must be given without from and to"),
        ("?site_id=a&date=2025-11-12&to=2025-11-12", "date must be given without from and to"),
        ("?site_id=a&limit=0", limit),
        ("?site_id=a&limit=1001", limit),
        ("?site_id=a&limit=x", limit),
        ("?site_id=a&limit=", limit),
        ("?site_id=a&limit=-1", limit),
        ("?site_id=a&include=paths", "include must be \"referrers\""),
        ("?site_id=a&include=", "include must be \"referrers\""),
        ("?site_id=a&meta=", "meta must be true or false"),
        ("?site_id=a&meta=1", "meta must be true or false"),
        ("?site_id=a&after=", receipt),
        ("?site_id=a&after=0-4711", receipt),
        ("?site_id=a&after=00-4711-0", receipt),
        ("?site_id=a&after=1000-1-0", receipt),
        ("?site_id=a&site_id=b", "site_id must be given only once"),
        ("?site_id=a&date=2025-11-12&date=2025-11-12", "date must be given only once"),
        ("?site_id=a&event-type=x", &format!("the parameter \"event-type\" is unknown; {known}")),
        ("?site_id=a&Limit=3", &format!("the parameter \"Limit\" is unknown; {known}")),
        ("?site_id=a%", encoding),
        ("?site_id=a&date=%zz", encoding),
        ("?site_id=%ff%fe", encoding),
    ] {
        let answer = service.get(&format!("/stats{query}")).await;
        assert_eq!((answer.status, answer.error().as_str()), (400, error), "{query}");
        assert_eq!(answer.header("retry-after"), "", "{query}: asking again does not help");
    }
}

#[tokio::test]
async fn a_query_string_may_be_written_in_several_ways() {
    let (service, ..) = with_models().await;
    for query in ["site_id=a%3Ab", "site_id=a:b", "%73ite_id=a%3ab", "&site_id=a:b&&", "limit=007&site_id=a:b"] {
        assert_eq!(service.stats(query).await["site_id"], "a:b", "{query}");
    }
}
