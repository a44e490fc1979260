use std::io::Write;

use axum::http::header;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

const LIMIT: usize = 100_000;

fn client(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, number])
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

async fn read_of(bodies: &Bodies, number: u8, encodings: &[&'static str], body: Vec<u8>) -> Result<ReadBody, u16> {
    let mut headers = HeaderMap::new();
    for encoding in encodings {
        headers.append(header::CONTENT_ENCODING, encoding.parse().expect("a header"));
    }
    let request = BodyRequest { client: client(number), key: None, headers: &headers, bytes_max: LIMIT };
    bodies.read(request, Body::from(body)).await.map_err(|refusal| refusal.status().as_u16())
}

async fn read(bodies: &Bodies, encoding: &'static str, body: Vec<u8>) -> Result<ReadBody, u16> {
    read_of(bodies, 1, &[encoding], body).await
}

#[tokio::test]
async fn bodies_are_read_up_to_their_limit() {
    let bodies = Bodies::new(100 * LIMIT);
    for (encoding, body) in [("identity", vec![7; LIMIT]), ("gzip", gzipped(&vec![7; LIMIT]))] {
        assert_eq!(read(&bodies, encoding, body).await.expect("a body").bytes, vec![7; LIMIT]);
    }
    for (encoding, body) in [("identity", vec![7; LIMIT + 1]), ("gzip", gzipped(&vec![7; LIMIT + 1]))] {
        assert_eq!(read(&bodies, encoding, body).await.expect_err("too large"), 413);
    }
    assert_eq!(read(&bodies, "gzip", gzipped(&vec![0; 9_000_000])).await.expect_err("a bomb"), 413);
    assert_eq!(read(&bodies, "gzip", b"no gzip".to_vec()).await.expect_err("no gzip"), 400);
    assert_eq!(read(&bodies, "gzip", vec![]).await.expect_err("no gzip"), 400);
    assert_eq!(read(&bodies, "br", vec![]).await.expect_err("unsupported"), 415);
    assert_eq!(bodies.usage().bytes, 0);
}

#[tokio::test]
async fn encodings_are_a_list() {
    let bodies = Bodies::new(100 * LIMIT);
    for encodings in [&["gzip"][..], &["X-GZip"], &["identity", "gzip"], &["identity, gzip"], &["gzip,"]] {
        let unpacked = read_of(&bodies, 1, encodings, gzipped(b"x")).await.expect("a body");
        assert_eq!(unpacked.bytes, "x", "{encodings:?}");
    }
    for encodings in [&["gzip", "gzip"][..], &["gzip, br"], &["br", "gzip"]] {
        assert_eq!(read_of(&bodies, 1, encodings, gzipped(b"x")).await.expect_err("unsupported"), 415, "{encodings:?}");
    }
}

#[tokio::test]
async fn members_are_counted_and_nothing_follows_them() {
    let bodies = Bodies::new(100 * LIMIT);
    let few = gzipped(b"xy").repeat(3);
    assert_eq!(read(&bodies, "gzip", few.clone()).await.expect("a body").bytes, "xyxyxy");
    assert_eq!(read(&bodies, "gzip", [few, b"garbage".to_vec()].concat()).await.expect_err("garbage"), 400);
    assert_eq!(read(&bodies, "gzip", gzipped(b"").repeat(gzip::MEMBERS_MAX)).await.expect("a body").bytes, "");
    assert_eq!(read(&bodies, "gzip", gzipped(b"").repeat(gzip::MEMBERS_MAX + 1)).await.expect_err("many"), 400);
}

#[tokio::test]
async fn all_bodies_together_have_a_bound_and_give_back_what_they_took() {
    let bodies = Bodies::new(8 * LIMIT);
    let held = [
        read(&bodies, "identity", vec![7; LIMIT]).await.expect("a body"),
        read(&bodies, "gzip", gzipped(&vec![7; LIMIT])).await.expect("a body"),
    ];
    assert_eq!(bodies.usage().bytes, 2 * LIMIT, "unpacked bytes count, packed ones were given back");
    // Half is for one client.
    let mut others = Vec::new();
    for _ in 0..2 {
        others.push(read(&bodies, "identity", vec![7; LIMIT]).await.expect("a body"));
    }
    assert_eq!(read(&bodies, "identity", vec![7; LIMIT]).await.expect_err("its share is taken"), 503);
    for _ in 0..2 {
        others.push(read_of(&bodies, 2, &[], vec![7; LIMIT]).await.expect("a body"));
    }
    // The last quarter is for small ones.
    assert_eq!(read_of(&bodies, 3, &[], vec![7; LIMIT]).await.expect_err("no room"), 503);
    assert_eq!(read_of(&bodies, 3, &["gzip"], gzipped(&vec![7; LIMIT])).await.expect_err("no room"), 503);
    for number in 1..5 {
        others.push(read_of(&bodies, number, &["gzip"], gzipped(&vec![7; SMALL_BODY_BYTES_MAX])).await.expect("small"));
    }
    drop((held, others));
    assert_eq!(bodies.usage().bytes, 0);

    // One key from several addresses is one client, too.
    let headers = HeaderMap::new();
    let of_key = |number, key| BodyRequest { client: client(number), key, headers: &headers, bytes_max: LIMIT };
    let mut held = Vec::new();
    for number in 0..4 {
        held.push(bodies.read(of_key(number, Some("k")), Body::from(vec![7; LIMIT])).await.expect("a body"));
    }
    let refused = bodies.read(of_key(5, Some("k")), Body::from(vec![7; LIMIT])).await;
    assert_eq!(refused.expect_err("its share is taken").code(), "too_many_bodies");
    bodies.read(of_key(5, Some("other")), Body::from(vec![7; LIMIT])).await.expect("another key");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_arrives_too_slowly_ends() {
    let bodies = Bodies::new(128 << 20);
    let arriving = |pieces: Vec<(u64, usize)>| {
        Body::from_stream(futures_util::stream::unfold(pieces.into_iter(), |mut pieces| async {
            let (seconds, bytes) = pieces.next()?;
            tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
            Some((Ok::<_, std::convert::Infallible>(Bytes::from(vec![b' '; bytes])), pieces))
        }))
    };
    let headers = HeaderMap::new();
    let read = async |pieces| {
        let request = BodyRequest { client: client(1), key: None, headers: &headers, bytes_max: 8 << 20 };
        bodies.read(request, arriving(pieces)).await.map(|body| body.bytes.len()).map_err(|refusal| refusal.code())
    };
    assert_eq!(read(vec![(4, 1), (0, 1)]).await, Ok(2));
    assert_eq!(read(vec![(0, 8_000_000), (6, 1)]).await, Err("body_too_slow"), "the last byte does not come");
    assert_eq!(read(vec![(2, 10_000); 4]).await, Err("body_too_slow"));
    assert_eq!(read(vec![(4, 90_000); 10]).await, Ok(900_000));
    assert_eq!(read(vec![(4, 90_000); 20]).await, Err("body_too_slow"), "a minute is over");
    assert_eq!(bodies.usage().bytes, 0);
}
