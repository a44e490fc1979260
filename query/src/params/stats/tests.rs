use chrono::NaiveDate;

use super::*;

fn parse(query: &str) -> StatsRequest {
    StatsRequest::parse(Some(query)).expect("a report")
}

fn refusal(query: &str) -> String {
    StatsRequest::parse(Some(query)).expect_err("no report").to_string()
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

#[test]
fn what_is_not_said_has_a_default() {
    let request = parse("site_id=a");
    assert_eq!(request.event_type.as_str(), "page_view");
    assert_eq!((request.period, request.paths_max, request.include), (Period::AllTime, 3, None));
    assert_eq!((request.with_meta, request.after), (false, None));
}

#[test]
fn everything_can_be_said() {
    let query = "after=3-4711-9&meta=true&limit=1000&event_type=signup&date=2024-02-29&site_id=a.b%3Ac";
    let request = parse(query);
    assert_eq!((request.site_id.as_str(), request.event_type.as_str()), ("a.b:c", "signup"));
    assert_eq!((request.period, request.paths_max), (Period::Day(day("2024-02-29")), 1_000));
    assert_eq!((request.with_meta, request.after), (true, "3-4711-9".parse().ok()));
}

#[test]
fn a_range_may_be_open_on_either_side() {
    let period = |query: &str| parse(&format!("site_id=a&{query}")).period;
    let (first, last) = (Some(day("2025-11-12")), Some(day("2025-11-13")));
    assert_eq!(period("from=2025-11-12&to=2025-11-13"), Period::Range { first, last });
    assert_eq!(period("from=2025-11-12&to=2025-11-12"), Period::Range { first, last: first });
    assert_eq!(period("from=2025-11-12"), Period::Range { first, last: None });
    assert_eq!(period("to=2025-11-13"), Period::Range { first: None, last });
}

#[test]
fn a_range_has_both_of_its_ends() {
    let is_longer = |query: &str| parse(&format!("site_id=a&{query}")).period.is_longer_than(7);
    assert!(is_longer("from=2025-11-01&to=2025-11-08") && is_longer("from=2025-11-01") && is_longer("to=2025-11-01"));
    assert!(!is_longer("from=2025-11-01&to=2025-11-07") && !is_longer("date=2025-11-01"));
    assert!(!parse("site_id=a").period.is_longer_than(7), "all time is one row");
}

#[test]
fn a_day_has_one_form() {
    for text in ["2025-02-30", "2025-2-3", "2025-11-12T10:00Z", "+2025-11-12", "%202025-11-12", "2025-11-12%20"] {
        let rule = "must be a day of the calendar, written YYYY-MM-DD, such as 2025-11-12";
        for name in ["date", "from", "to"] {
            assert_eq!(refusal(&format!("site_id=a&{name}={text}")), format!("{name} {rule}"));
        }
    }
    for text in ["", "today", "20251112", "2025-13-01", "2025-00-10", "-025-11-12", "2025/11/12", "2025-11-1%C3%BC"] {
        assert!(refusal(&format!("site_id=a&date={text}")).starts_with("date must be a day"), "{text}");
    }
}

#[test]
fn days_that_contradict_each_other_are_refused() {
    let (both, backwards) = ("date must be given without from and to", "from must not be later than to");
    assert_eq!(refusal("site_id=a&date=2025-11-12&from=2025-11-12"), both);
    assert_eq!(refusal("site_id=a&date=2025-11-12&to=2025-11-12"), both);
    assert_eq!(refusal("site_id=a&from=2025-11-13&to=2025-11-12"), backwards);
}

#[test]
fn a_limit_has_bounds() {
    for text in ["0", "1001", "x", "", "-1", "%2B5", "1.0", "65537", "99999999999999999999"] {
        assert_eq!(refusal(&format!("site_id=a&limit={text}")), "limit must be a whole number from 1 to 1000");
    }
}

#[test]
fn more_is_included_by_name() {
    assert_eq!(parse("site_id=a&include=referrers").include, Some(Include::Referrers));
    for text in ["", "Referrers", "referrer", "paths", "referrers,", "referrers%20", "referrers,referrers"] {
        assert_eq!(refusal(&format!("site_id=a&include={text}")), "include must be \"referrers\"");
    }
    assert_eq!(refusal("site_id=a&include=referrers&include=referrers"), "include must be given only once");
}

#[test]
fn meta_is_true_or_false() {
    assert_eq!(parse("site_id=a&meta=false"), parse("site_id=a"));
    for text in ["", "1", "0", "yes", "True", "TRUE", "true%20", "null"] {
        assert_eq!(refusal(&format!("site_id=a&meta={text}")), "meta must be true or false", "{text}");
    }
}

#[test]
fn a_receipt_has_one_form() {
    let rule = "after must be a receipt, written <partition>-<sequence>-<line>, such as 0-4711-0";
    for text in
        ["", "0", "0-1", "0-1-", "00-1-0", "0-%2B1-0", "1000-1-0", "0-1-0%20", "0-1-0-0", "a-b-c", "0-1-4294967296"]
    {
        assert_eq!(refusal(&format!("site_id=a&after={text}")), rule, "{text}");
    }
}

#[test]
fn a_site_is_required() {
    for query in ["", "site_id", "site_id=", "date=2025-11-12", "&&"] {
        assert_eq!(refusal(query), "site_id is required");
    }
    assert_eq!(StatsRequest::parse(None), Err(ParamError::SiteRequired));
}

#[test]
fn names_keep_the_rule_of_the_contract() {
    let rule = "must be 1 to 64 of the characters A-Z a-z 0-9 . _ : - and start with a letter or digit";
    assert_eq!(refusal("site_id=a%20b"), format!("site_id {rule}"));
    assert_eq!(refusal("site_id=a&event_type="), format!("event_type {rule}"));
}

#[test]
fn a_parameter_is_known_and_given_once() {
    assert_eq!(refusal("site_id=a&site_id=a"), "site_id must be given only once");
    assert_eq!(refusal("site_id=a&limit=&limit=3"), "limit must be given only once");
    assert!(refusal("site_id=a&event-type=x").starts_with("the parameter \"event-type\" is unknown; a report takes"));
    assert!(refusal("site_id=a&Date=2025-11-12").starts_with("the parameter \"Date\" is unknown"));
    assert!(refusal(&format!("{}=1", "x".repeat(9_000))).len() < 200);
}

#[test]
fn what_is_not_encoded_is_refused() {
    for query in ["site_id=%", "site_id=%4", "site_id=%4g", "site_id=%+1", "site_id=%ff", "%c3=1", "site_id=a&%"] {
        assert_eq!(refusal(query), "the query string must be percent-encoded UTF-8", "{query}");
    }
}
