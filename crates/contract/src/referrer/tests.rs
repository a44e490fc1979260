use proptest::prelude::*;
use proptest::test_runner::Config;

use super::*;

/// The counted part as a text: the host, or the kind in brackets.
fn counted(text: &str) -> String {
    counted_by("site-abc-123", text)
}

fn counted_by(site_id: &str, text: &str) -> String {
    let site_id = SiteId::try_from(site_id).expect("a site");
    let referrer = Referrer::of(Some(&SentReferrer::Text(text.into())), &site_id);
    referrer.host().map_or_else(|| format!("({})", referrer.kind()), |host| host.as_str().to_owned())
}

#[test]
fn a_url_counts_as_its_host() {
    for (sent, host) in [
        ("http://google.com", "google.com"),
        ("https://www.Google.COM/search?q=tide#top", "www.google.com"),
        ("https://example.com:8443/", "example.com"),
        ("http://example.com:80", "example.com"),
        ("https://example.com./page", "example.com"),
        ("https://example.com..:443/page", "example.com"),
        ("https://user:secret@example.com/", "example.com"),
        ("HTTPS://a_b.example/", "a_b.example"),
        ("http://localhost:3000/", "localhost"),
        ("http://192.0.2.7:8080/", "192.0.2.7"),
        ("http://0xC0.2.7/", "192.2.0.7"),
        ("http://[2001:DB8::1]:80/", "[2001:db8::1]"),
        ("https://Bücher.example/ä", "xn--bcher-kva.example"),
        ("https://b%C3%BCcher.example/", "xn--bcher-kva.example"),
        ("http://example.com/?to=\\a", "example.com"),
        (" http://example.com/ ", "example.com"),
        ("android-app://com.Google.android.gm/", "com.google.android.gm"),
        ("android-app://com.example", "com.example"),
    ] {
        assert_eq!(counted(sent), host, "{sent}");
    }
}

#[test]
fn what_is_no_url_with_a_host_is_unreadable() {
    for sent in [
        " ",
        "-",
        "google.com",
        "google.com/search",
        "/pricing",
        "//google.com/",
        "about:blank",
        "mailto:a@example.com",
        "http://",
        "http://./",
        "http://:80/",
        "http:example.com",
        "http:/example.com/",
        "http:///example.com/",
        "http:example.com?to=http://other.example/",
        "http:\\\\example.com\\page",
        "http://\\xe4\\xe5.example/",
        "http://b\\xfccher.example/",
        "https://a b.example/",
        "http://exa<mple.com/",
        "http://example.com:99999/",
        "http://1.2.3.4.5/",
        "http://xn--a/",
        "file:///home/a/page.html",
        "ftp://example.com/",
        "chrome-extension://abcdefgh/page.html",
        "javascript:alert(1)//http://example.com",
        "data:text/html,x",
        "android-app:///",
        "http://exam\nple.com/",
        "http://example.com/\t",
        "http://example.com/\0",
        "http://example.com/\u{85}",
    ] {
        assert_eq!(counted(sent), "(unreadable)", "{sent:?}");
    }
}

#[test]
fn a_host_is_at_most_253_bytes_long() {
    for scheme in ["http", "android-app"] {
        let longest = format!("{}a.b", "a".repeat(HOST_BYTES_MAX - 3));
        assert_eq!(counted(&format!("{scheme}://{longest}/")), longest);
        assert_eq!(counted(&format!("{scheme}://{longest}./")), longest, "the dot at the end does not count");
        assert_eq!(counted(&format!("{scheme}://a{longest}/")), "(unreadable)");
    }
}

#[test]
fn a_site_that_is_a_host_knows_its_own_pages() {
    for (site_id, sent) in [
        ("example.com", "http://example.com/page"),
        ("example.com", "https://www.example.com/"),
        ("www.example.com", "https://example.com/"),
        ("WWW.Example.com", "https://WWW.EXAMPLE.COM:8443/"),
        ("Example.com", "android-app://EXAMPLE.com./"),
        ("localhost", "http://localhost:3000/"),
    ] {
        assert_eq!(counted_by(site_id, sent), "(own)", "{site_id} {sent}");
    }
    for (site_id, sent, host) in [
        ("example.com", "https://blog.example.com/", "blog.example.com"),
        ("blog.example.com", "https://example.com/", "example.com"),
        ("example.com", "https://notexample.com/", "notexample.com"),
        ("example.com", "https://www2.example.com/", "www2.example.com"),
        ("site-abc-123", "https://example.com/", "example.com"),
    ] {
        assert_eq!(counted_by(site_id, sent), host, "{site_id} {sent}");
    }
}

#[test]
fn a_site_that_names_a_port_knows_its_own_pages_by_it() {
    for (site_id, sent) in [
        ("localhost:8080", "http://localhost:8080/a"),
        ("LocalHost:08080", "https://www.LOCALHOST:8080?a"),
        ("www.example.com:3000", "http://example.com.:3000/"),
        ("example.com:80", "http://example.com/"),
        ("example.com:443", "https://example.com/"),
        ("example.com:443", "http://example.com:443/"),
        ("192.0.2.7:8080", "http://192.0.2.7:8080/"),
        ("2001:DB8::1", "http://[2001:db8:0::1]:8080/"),
        ("2001:db8::1:8080", "http://[2001:db8::1:8080]/"),
    ] {
        assert_eq!(counted_by(site_id, sent), "(own)", "{site_id} {sent}");
    }
    for (site_id, sent, host) in [
        ("localhost:8080", "http://localhost:8081/", "localhost"),
        ("localhost:8080", "http://localhost/", "localhost"),
        ("example.com:80", "https://example.com/", "example.com"),
        ("example.com:443", "http://example.com/", "example.com"),
        ("example.com:443", "android-app://example.com/", "example.com"),
        ("example.com:", "android-app://example.com/", "example.com"),
        ("example.com:65616", "http://example.com/", "example.com"),
        ("example.com:a", "http://example.com/", "example.com"),
        ("example.com:80:80", "http://example.com/", "example.com"),
        ("2001:db8::1:8080", "http://[2001:db8::1]:8080/", "[2001:db8::1]"),
    ] {
        assert_eq!(counted_by(site_id, sent), host, "{site_id} {sent}");
    }
}

#[test]
fn folds_before_the_fifth_know_no_ports() {
    let counted = |site_id: &'static str, sent: &'static str| {
        let site_id = SiteId::try_from(site_id).expect("a site");
        Referrer::without_ports(Some(&SentReferrer::Text(sent.into())), &site_id)
    };
    let host = |host: &str| Referrer::Host(Host(host.to_owned()));
    assert_eq!(counted("example.com:3000", "http://example.com:3000/"), host("example.com"));
    assert_eq!(counted("example.com:80", "http://example.com/"), host("example.com"));
    assert_eq!(counted("2001:db8::1", "http://[2001:db8::1]/"), host("[2001:db8::1]"));
    assert_eq!(counted("localhost", "http://localhost:3000/"), Referrer::Own);
    assert_eq!(counted("www.example.com", "https://Example.com/"), Referrer::Own);
}

#[test]
fn no_url_counts_as_the_row_of_all_further_hosts() {
    assert_eq!(counted("http://(other)/"), "(unreadable)");
    assert_eq!(Referrer::other().host().map(Host::as_str), Some(OTHER));
}

#[test]
fn nothing_and_no_text_are_told_apart() {
    let site_id = SiteId::try_from("example.com").expect("a site");
    assert_eq!(Referrer::of(None, &site_id), Referrer::None);
    assert_eq!(Referrer::of(Some(&SentReferrer::NotText), &site_id), Referrer::Unreadable);
    let repaired = SentReferrer::Repaired("https://google.com/search?q=\u{fffd}".into());
    assert_eq!(Referrer::of(Some(&repaired), &site_id).host().map(Host::as_str), Some("google.com"));
    assert_eq!(Referrer::without_ports(Some(&repaired), &site_id), Referrer::Unreadable);
}

#[test]
fn they_are_sorted_by_kind_and_host() {
    let hosts = ["a.example", "b.example"].map(|host| Referrer::Host(Host(host.to_owned())));
    let [a, b] = hosts;
    let sorted = [a, b, Referrer::None, Referrer::Own, Referrer::Unreadable];
    assert!(sorted.is_sorted_by_key(|referrer| (referrer.kind(), referrer.host().cloned())));
    assert!(sorted.is_sorted());
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_host_that_is_counted_is_in_its_one_form(
        scheme in "(http|HTTPS|android-app)",
        before in "(.{0,3}@)?",
        host in r"(.{0,6}|[a-zA-Z0-9.%_-]{0,12}|www\.[a-z]{1,3}\.|[ä-üßſ漢]{1,4}\.de)",
        behind in r"(:[0-9]{0,6})?([/?#].{0,9})?",
    ) {
        let site_id = SiteId::try_from("site").expect("a site");
        let text = format!("{scheme}://{before}{host}{behind}");
        let referrer = Referrer::of(Some(&SentReferrer::Text(text.into())), &site_id);
        if let Some(host) = referrer.host() {
            prop_assert!((1..=HOST_BYTES_MAX).contains(&host.0.len()));
            prop_assert!(host.0.is_ascii() && !host.0.ends_with('.'));
            prop_assert!(!host.0.contains(|char: char| char.is_ascii_uppercase() || char.is_control()));
            let again = format!("android-app://{}:8080/page", host.0);
            prop_assert_eq!(Referrer::of(Some(&SentReferrer::Text(again.into())), &site_id), referrer);
        }
    }
}
