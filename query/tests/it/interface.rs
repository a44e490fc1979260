use query::Config;
use reqwest::Method;

use crate::service::{Answer, Service, config, with_models};

#[tokio::test]
async fn the_interface_describes_itself() {
    let (service, ..) = with_models().await;
    let answer = service.get("/api-docs/openapi.json").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    let document = answer.json();
    let stats = &document["paths"]["/stats"]["get"];
    let parameters: Vec<_> = stats["parameters"].as_array().expect("parameters").iter().collect();
    let names: Vec<_> = parameters.iter().map(|parameter| parameter["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["site_id", "date", "from", "to", "event_type", "limit", "include", "compare", "meta", "after"]);
    let required: Vec<_> = parameters.iter().map(|parameter| parameter["required"] == true).collect();
    assert_eq!(required, [true, false, false, false, false, false, false, false, false, false]);
    let statuses: Vec<_> = stats["responses"].as_object().expect("responses").keys().collect();
    assert_eq!(statuses, ["200", "304", "400", "503"]);
    let example = &stats["responses"]["200"]["content"]["application/json"]["example"];
    assert_eq!((&example["total_views"], &example["top_paths"][0]["views"]), (&1_450.into(), &700.into()));
    let live = &document["paths"]["/live"]["get"];
    let parameters: Vec<_> = live["parameters"].as_array().expect("parameters").iter().collect();
    let names: Vec<_> = parameters.iter().map(|parameter| parameter["name"].as_str().expect("a name")).collect();
    assert_eq!(names, ["site_id", "event_type", "Last-Event-ID"]);
    let example = &live["responses"]["200"]["content"]["text/event-stream"]["example"];
    assert!(example.as_str().expect("a stream").starts_with("event: totals\nid: 3/"), "{example}");
    for schema in document["components"]["schemas"].as_object().expect("schemas").values() {
        assert!(schema["description"].is_string(), "{schema}");
    }
}

/// The description has the parameters that are accepted: an unknown parameter is refused with the names of all others.
#[tokio::test]
async fn every_report_is_described_as_it_is() {
    let (service, ..) = with_models().await;
    let document = service.get("/api-docs/openapi.json").await.json();
    let reports = ["/stats", "/timeseries", "/paths", "/events/types", "/sites"];
    let described: Vec<_> = document["paths"].as_object().expect("paths").keys().map(String::as_str).collect();
    assert!(reports.iter().all(|report| described.contains(report)), "{described:?}");
    for report in reports {
        let get = &document["paths"][report]["get"];
        let parameters = get["parameters"].as_array().expect("parameters").iter();
        let mut described: Vec<_> = parameters.map(|parameter| parameter["name"].as_str().expect("a name")).collect();
        let error = service.get(&format!("{report}?unknown=1")).await.error();
        let (_, taken) = error.split_once("a report takes ").expect("names");
        let taken = taken.replace(" and ", ", ");
        let mut taken: Vec<_> = taken.split(", ").collect();
        described.sort_unstable();
        taken.sort_unstable();
        assert_eq!(described, taken, "{report}");
        let statuses: Vec<_> = get["responses"].as_object().expect("responses").keys().collect();
        assert_eq!(statuses, ["200", "304", "400", "503"], "{report}");
    }
}

#[tokio::test]
async fn swagger_ui_is_served() {
    let (service, ..) = with_models().await;
    let page = service.get("/api-docs").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("swagger-ui"), "{}", page.body);
    assert!(service.get("/api-docs/swagger-initializer.js").await.body.contains("\"openapi.json\""));
}

#[tokio::test]
async fn pages_of_other_origins_read_reports_only_where_they_are_configured() {
    let (service, _, _, database) = with_models().await;
    let listed = ("origin", "https://dashboard.example");
    let asked = ("access-control-request-method", "GET");
    let allowed = |answer: &Answer| {
        ["access-control-allow-origin", "access-control-allow-credentials"].map(|name| answer.header(name).to_owned())
    };
    for path in ["/stats?site_id=a", "/stats", "/live?site_id=a&nonsense", "/nothing", "/api-docs/openapi.json"] {
        let answer = service.send(Method::GET, path, &[listed]).await;
        assert_eq!(allowed(&answer), ["", ""], "{path} without origins");
        let preflight = service.send(Method::OPTIONS, path, &[listed, asked]).await;
        assert_eq!((preflight.status, allowed(&preflight)), (403, [String::new(), String::new()]), "{path}");
        assert!(preflight.error().contains("QUERY_ORIGINS"), "{}", preflight.body);
    }
    let origins = "https://dashboard.example,http://localhost:8080".to_owned();
    let query_origins = service::access::Origins::try_from(origins).expect("origins");
    let service = Service::start_on(&database, Config { query_origins, ..config(database.service_url()) }).await;
    for (path, status) in [("/stats?site_id=a", 200), ("/stats", 400), ("/nothing", 404)] {
        let answer = service.send(Method::GET, path, &[listed]).await;
        assert_eq!((answer.status, allowed(&answer)), (status, [listed.1.to_owned(), "true".to_owned()]), "{path}");
        assert!(answer.header("vary").contains("origin"), "{path}");
        for other in ["https://dashboard.example:8443", "http://dashboard.example", "null", "https://evil.example"] {
            let answer = service.send(Method::GET, path, &[("origin", other)]).await;
            assert_eq!((answer.status, allowed(&answer)), (status, [String::new(), String::new()]), "{path} {other}");
            assert!(answer.header("vary").contains("origin"), "{path}");
        }
    }
    let headers = ("access-control-request-headers", "if-none-match,authorization");
    let preflight = service.send(Method::OPTIONS, "/stats", &[listed, asked, headers]).await;
    assert_eq!((preflight.status, allowed(&preflight)), (200, [listed.1.to_owned(), "true".to_owned()]));
    assert_eq!(preflight.header("access-control-allow-methods"), "GET");
    assert_eq!(preflight.header("access-control-allow-headers"), headers.1);
    assert_eq!(preflight.header("access-control-max-age"), "7200");
}

#[tokio::test]
async fn a_page_whose_name_leads_to_this_machine_reads_nothing() {
    let (service, _, _, database) = with_models().await;
    let port = service.address().port();
    for host in ["localhost", "127.0.0.1", "[::1]", "LOCALHOST.", "127.0.0.1:1"] {
        let answer = service.send(Method::GET, "/stats?site_id=a", &[("host", host)]).await;
        assert_eq!(answer.status, 200, "{host}");
    }
    for host in ["evil.example".to_owned(), format!("evil.example:{port}"), "localhost.evil.example".to_owned()] {
        for path in ["/stats?site_id=a", "/", "/metrics", "/api-docs", "/nothing"] {
            let answer = service.send(Method::GET, path, &[("host", &host)]).await;
            assert_eq!((answer.status, answer.error().contains("QUERY_HOSTS")), (421, true), "{host} {path}");
        }
        assert_eq!(service.send(Method::GET, "/healthz", &[("host", &host)]).await.status, 200, "a probe");
    }
    let query_hosts = service::http::hosts::Hosts::try_from("stats.example".to_owned()).expect("hosts");
    let service = Service::start_on(&database, Config { query_hosts, ..config(database.service_url()) }).await;
    for (host, status) in [("stats.example", 200), ("stats.example:443", 200), ("localhost", 200), ("x.example", 421)] {
        let answer = service.send(Method::GET, "/stats?site_id=a", &[("host", host)]).await;
        assert_eq!(answer.status, status, "{host}");
    }
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    let (service, ..) = with_models().await;
    for path in ["/stats/", "/stat", "/event"] {
        let answer = service.get(path).await;
        assert_eq!((answer.status, answer.error().starts_with("nothing is here")), (404, true), "{path}");
    }
    for path in ["/stats?site_id=a", "/readyz", "/api-docs/openapi.json"] {
        let answer = service.send(Method::POST, path, &[]).await;
        assert_eq!((answer.status, answer.error().starts_with("this path takes another")), (405, true), "{path}");
        assert_eq!(answer.header("allow"), "GET,HEAD", "{path}");
    }
}
