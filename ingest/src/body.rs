//! Request bodies, within bounds: their size, their size unpacked, the time they take to arrive, and the memory all of
//! them have together.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use service::Refusal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// From the end of the headers to the end of the body. 8 MiB in this time are 280 KiB/s.
pub const BODY_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Of a body that is refused this much is read and thrown away.
const DISCARDED_BYTES_MAX: usize = 32 << 20;

/// The memory that all bodies share.
#[derive(Debug, Clone)]
pub struct Bodies {
    room: Arc<Semaphore>,
    bytes_max: usize,
}

/// A whole body. Its share of the memory is given back when it is dropped.
#[derive(Debug)]
pub struct ReadBody {
    /// Its content, unpacked.
    pub bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    /// Bodies that have at most so many bytes together.
    pub fn new(bytes_max: usize) -> Self {
        Self { room: Arc::new(Semaphore::new(bytes_max)), bytes_max }
    }

    /// Bytes of bodies that are in memory, and how many may be.
    pub(crate) fn held(&self) -> (usize, usize) {
        (self.bytes_max.saturating_sub(self.room.available_permits()), self.bytes_max)
    }

    /// Reads a body of at most `bytes_max`, and unpacks it if it is gzipped.
    ///
    /// # Errors
    ///
    /// The answer for the client: 400, 408, 413, 415, or 503 where all bodies together have no room.
    pub async fn read(&self, headers: &HeaderMap, mut body: Body, bytes_max: usize) -> Result<ReadBody, Refusal> {
        let reading = async {
            let is_gzip = is_gzip(headers)?;
            Ok((is_gzip, self.receive(&mut body, bytes_max).await?))
        };
        let received = tokio::time::timeout(BODY_READ_TIMEOUT, reading)
            .await
            .map_err(|_| Refusal::too_slow("body_too_slow", "the body took more than 30 seconds to arrive"))?;
        if received.is_err() {
            // Whether all of it came or not, the answer is why it was refused.
            service::discard(&mut body, DISCARDED_BYTES_MAX).await;
        }
        let (is_gzip, received) = received?;
        if is_gzip { self.unpack(received, bytes_max).await } else { Ok(received) }
    }

    async fn receive(&self, body: &mut Body, bytes_max: usize) -> Result<ReadBody, Refusal> {
        let mut received = Received::default();
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return Err(Refusal::bad_request("body_broke_off", "the body broke off")) };
            let Ok(data) = frame.into_data() else { continue };
            if received.bytes() + data.len() > bytes_max {
                return Err(too_large(bytes_max));
            }
            let room = self.take(data.len())?;
            received.push(data, room);
        }
        Ok(received.whole())
    }

    async fn unpack(&self, packed: ReadBody, bytes_max: usize) -> Result<ReadBody, Refusal> {
        let mut room = self.take(bytes_max)?;
        let unpacked = tokio::task::spawn_blocking(move || gunzip(&packed.bytes, bytes_max))
            .await
            .map_err(|_| Refusal::unavailable("not_unpacked", "the body could not be unpacked"))??;
        drop(room.split(bytes_max - unpacked.len()));
        Ok(ReadBody { bytes: unpacked.into(), _room: Some(room) })
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let bytes = u32::try_from(bytes).map_err(|_| too_large(bytes))?;
        self.room.clone().try_acquire_many_owned(bytes).map_err(|_| {
            Refusal::unavailable("too_many_bodies", "too many large requests at once; send this one again")
        })
    }
}

/// What has arrived of a body so far. Most bodies are one frame, which is kept as it came.
#[derive(Default)]
struct Received {
    first: Bytes,
    all: BytesMut,
    room: Option<OwnedSemaphorePermit>,
}

impl Received {
    fn bytes(&self) -> usize {
        self.first.len().max(self.all.len())
    }

    fn push(&mut self, data: Bytes, room: OwnedSemaphorePermit) {
        match &mut self.room {
            None => self.room = Some(room),
            Some(taken) => taken.merge(room),
        }
        if self.bytes() == 0 {
            self.first = data;
        } else {
            if self.all.is_empty() {
                self.all.extend_from_slice(&std::mem::take(&mut self.first));
            }
            self.all.extend_from_slice(&data);
        }
    }

    fn whole(self) -> ReadBody {
        let bytes = if self.all.is_empty() { self.first } else { self.all.freeze() };
        ReadBody { bytes, _room: self.room }
    }
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, Refusal> {
    let Some(encoding) = headers.get(header::CONTENT_ENCODING) else { return Ok(false) };
    // Names of encodings are the same in capitals.
    match encoding.as_bytes().to_ascii_lowercase().as_slice() {
        b"gzip" | b"x-gzip" => Ok(true),
        b"identity" => Ok(false),
        _ => Err(Refusal::unsupported("unsupported_encoding", "Content-Encoding must be gzip or identity")),
    }
}

/// Unpacks at most one byte more than is allowed, whatever the packed bytes promise.
fn gunzip(packed: &[u8], bytes_max: usize) -> Result<Vec<u8>, Refusal> {
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(packed)
        .take(bytes_max as u64 + 1)
        .read_to_end(&mut unpacked)
        .map_err(|_| Refusal::bad_request("invalid_gzip", "the body is not valid gzip"))?;
    if unpacked.len() > bytes_max { Err(too_large(bytes_max)) } else { Ok(unpacked) }
}

fn too_large(bytes_max: usize) -> Refusal {
    Refusal::too_large("body_too_large", format!("the body must be at most {bytes_max} bytes long, unpacked"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const LIMIT: usize = 1_000;

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("writing to memory");
        encoder.finish().expect("writing to memory")
    }

    async fn read(bodies: &Bodies, encoding: &'static str, body: Vec<u8>) -> Result<ReadBody, u16> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, encoding.parse().expect("a header"));
        bodies.read(&headers, Body::from(body), LIMIT).await.map_err(|refusal| refusal.status().as_u16())
    }

    #[tokio::test]
    async fn bodies_are_read_up_to_their_limit() {
        let bodies = Bodies::new(10 * LIMIT);
        for (encoding, body) in [("identity", vec![7; LIMIT]), ("gzip", gzipped(&[7; LIMIT]))] {
            assert_eq!(read(&bodies, encoding, body).await.expect("a body").bytes, vec![7; LIMIT]);
        }
        for (encoding, body) in [("identity", vec![7; LIMIT + 1]), ("gzip", gzipped(&[7; LIMIT + 1]))] {
            assert_eq!(read(&bodies, encoding, body).await.expect_err("too large"), 413);
        }
        assert_eq!(read(&bodies, "gzip", gzipped(&vec![0; 900_000])).await.expect_err("a bomb"), 413);
        assert_eq!(read(&bodies, "gzip", b"no gzip".to_vec()).await.expect_err("no gzip"), 400);
        assert_eq!(read(&bodies, "br", vec![]).await.expect_err("unsupported"), 415);
    }

    #[tokio::test]
    async fn all_bodies_together_have_a_bound_and_give_back_what_they_took() {
        let bodies = Bodies::new(3 * LIMIT);
        let held = [
            read(&bodies, "identity", vec![7; LIMIT]).await.expect("a body"),
            read(&bodies, "gzip", gzipped(&[7; LIMIT])).await.expect("a body"),
        ];
        assert_eq!(bodies.room.available_permits(), LIMIT, "unpacked bytes count, packed ones were given back");
        let third = read(&bodies, "identity", vec![7; LIMIT]).await.expect("a body");
        assert_eq!(read(&bodies, "identity", vec![7; 1]).await.expect_err("no room"), 503);
        drop((held, third));
        assert_eq!(bodies.room.available_permits(), 3 * LIMIT);
    }
}
