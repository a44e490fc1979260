//! Headers as `async-nats` delivers them against headers as the projector reads them where it asks for one envelope. The
//! live fold has the first, and a rebuild or a verification, wherever it begins to read, the second.

use async_nats::{HeaderMap, StatusCode};
use chrono::DateTime;
use contract::subjects::{SCHEMA_HEADER, SENT_AT_HEADER, TRACE_HEADER, UNREADABLE_HEADERS};
use event_log::headers::{Headers, storable};
use futures_util::StreamExt;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What `str::trim` drops, returns among it.
const BLANKS: [&str; 8] = ["", " ", "\t", "\r", "\u{b}", "\u{85}", "\u{a0}", "\u{2028}"];

/// Says to a client what the log's server says, and these headers on the first subscription. Ends with the connection.
async fn serve(mut client: BufReader<TcpStream>, headers: &[u8]) -> std::io::Result<()> {
    client.get_mut().write_all(b"INFO {\"headers\":true,\"max_payload\":1048576,\"proto\":1}\r\n").await?;
    let mut line = String::new();
    while client.read_line(&mut line).await? > 0 {
        if line.starts_with("PING") {
            client.get_mut().write_all(b"PONG\r\n").await?;
        } else if let Some(subscription) = line.strip_prefix("SUB ") {
            let (id, length) = (subscription.split_whitespace().next_back().expect("a number"), headers.len());
            let message = [format!("HMSG s {id} {length} {length}\r\n").as_bytes(), headers, b"\r\n"].concat();
            client.get_mut().write_all(&message).await?;
        }
        line.clear();
    }
    Ok(())
}

/// The headers as the client library delivers them with a message. None where it breaks the connection, or takes the
/// message for something that the server says to it.
async fn delivered(headers: &[u8]) -> Option<HeaderMap> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("a port");
    let server = async {
        let (client, _) = listener.accept().await.expect("a client");
        tokio::select! {
            _ = serve(BufReader::new(client), headers) => {}
            // It gives a connection up once it has another.
            _ = listener.accept() => {}
        }
    };
    let client = async {
        let client = async_nats::connect(address.to_string()).await.expect("a connection");
        client.subscribe("s").await.expect("a subscription").next().await
    };
    let message = tokio::select! {
        message = client => message,
        () = server => None,
    };
    let message = message.filter(|message| message.status.is_none_or(|status| status == StatusCode::OK));
    message.map(|message| message.headers.expect("it was sent with headers"))
}

/// What the live fold is given of these.
fn live(headers: &HeaderMap) -> Headers {
    let text = |name| headers.get(name).map(async_nats::HeaderValue::as_str);
    let time = |text| DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
    Headers {
        schema: text(SCHEMA_HEADER).map(storable),
        sent_at: text(SENT_AT_HEADER).and_then(time),
        trace: text(TRACE_HEADER).map(ToOwned::to_owned),
    }
}

fn check(headers: &[u8]) {
    // All on one thread, and gone with what it has begun.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (delivered, read) = (runtime.block_on(delivered(headers)), Headers::read(headers));
    let shown = headers.escape_ascii();
    if let Some(delivered) = delivered {
        assert_eq!(read, live(&delivered), "{shown}");
    } else {
        let schema = read.schema.as_deref().unwrap_or_default();
        assert!(schema.starts_with(UNREADABLE_HEADERS), "{shown} is not delivered, and read as {read:?}");
    }
}

fn texts<const N: usize>(texts: [&'static str; N]) -> impl Strategy<Value = String> + Clone {
    select(texts.to_vec()).prop_map(str::to_owned)
}

/// Often one of these, else one of the others.
fn mostly<const N: usize, const M: usize>(
    often: [&'static str; N],
    seldom: [&'static str; M],
) -> impl Strategy<Value = String> + Clone {
    prop_oneof![6 => texts(often), 1 => texts(seldom)]
}

fn value() -> impl Strategy<Value = String> + Clone {
    let part = prop_oneof![texts(BLANKS), texts(["event.v1", "2025-11-12T19:30:01Z", "a", ":", "\0", "\u{e9}"]),];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

fn line() -> impl Strategy<Value = String> {
    let end = mostly(["\r\n"], ["\n", "\r\r\n", "\r"]);
    let name =
        mostly([SCHEMA_HEADER, SENT_AT_HEADER, TRACE_HEADER], ["schema", "", "Nats-Msg-Id", "a b", "\u{e9}", "a\t"]);
    let named = (name, texts(BLANKS), value()).prop_map(|(name, blank, value)| format!("{name}:{blank}{value}"));
    let continued = (texts(BLANKS), value()).prop_map(|(blank, value)| blank + &value);
    (prop_oneof![4 => named, 1 => continued], end).prop_map(|(line, end)| line + &end)
}

fn block() -> impl Strategy<Value = Vec<u8>> {
    let version = mostly(
        ["NATS/1.0\r\n"],
        [
            "NATS/1.0 \t\r\n",
            "NATS/1.0 200\r\n",
            "NATS/1.0200\r\n",
            "NATS/1.0 200\t OK\r\n",
            "NATS/1.0\r200\n",
            "NATS/1.0 200\u{a0}\r\n",
            "NATS/1.0 404 gone\r\n",
            "NATS/1.0 0200\r\n",
            "NATS/1.0 x\r\n",
            "nats/1.0\r\n",
            "",
        ],
    );
    let end = mostly(["\r\n"], ["", "\n", "\r", "\r\r\n", " \r\n"]);
    let text = (version, prop::collection::vec(line(), 0..4), end);
    let bytes = text.prop_map(|(version, lines, end)| (version + &lines.concat() + &end).into_bytes());
    // A byte that is no UTF-8, now and then.
    (bytes, prop::option::weighted(0.05, any::<prop::sample::Index>())).prop_map(|(mut bytes, at)| {
        if let Some(at) = at {
            bytes.insert(at.index(bytes.len() + 1), 0xff);
        }
        bytes
    })
}

proptest! {
    #[test]
    fn headers_are_read_as_the_client_library_delivers_them(headers in block()) {
        // A message without headers is sent in another form.
        prop_assume!(!headers.is_empty());
        check(&headers);
    }
}

#[test]
fn the_corpus_is_read_as_the_client_library_delivers_it() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../dev/fuzz/corpus/headers");
    for entry in std::fs::read_dir(folder).expect("a corpus") {
        check(&std::fs::read(entry.expect("an entry of the corpus").path()).expect("it can be read"));
    }
}
