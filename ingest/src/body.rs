//! Request bodies, within bounds: their size, their size unpacked, the pace at which they arrive, and the memory all of
//! them have together, and those of one client.

/// The memory that bodies share.
mod room;

/// How fast they arrive.
mod pace;

/// What they are packed with.
mod packing;

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderMap;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use service::Refusal;
use tokio::time::timeout_at;

use pace::Pace;
use room::{Held, Holder, Room};

pub use room::SMALL_BODY_BYTES_MAX;

/// Of a body that is refused this much is read and thrown away.
const DISCARDED_BYTES_MAX: usize = 32 << 20;

/// The memory that all bodies share.
#[derive(Debug, Clone)]
pub struct Bodies(Arc<Held>);

/// A whole body. Its share of the memory is given back when it is dropped.
#[derive(Debug)]
pub struct ReadBody {
    /// Its content, unpacked.
    pub bytes: Bytes,
    _room: Room,
}

/// What a body is read for.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// Whose it is: an address, or a network that counts as one.
    pub client: IpAddr,
    /// The id of its key, if it has one.
    pub key: Option<&'a str>,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// The most it may have, packed or not.
    pub bytes_max: usize,
}

impl Bodies {
    /// Bodies that have at most so many bytes together.
    pub fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Held::new(bytes_max)))
    }

    /// Bytes of bodies that are in memory, and how many may be.
    pub(crate) fn held(&self) -> (usize, usize) {
        self.0.bytes()
    }

    /// Reads a body, and unpacks it if it is gzipped.
    ///
    /// # Errors
    ///
    /// The answer for the client: 400, 408, 413, 415, or 503 where bodies have no room.
    pub async fn read(&self, reading: Reading<'_>, mut body: Body) -> Result<ReadBody, Refusal> {
        let receiving = async {
            let is_gzip = packing::is_gzip(reading.headers)?;
            Ok((is_gzip, self.receive(reading, &mut body).await?))
        };
        let received = receiving.await;
        if received.is_err() {
            // Whether all of it came or not, the answer is why it was refused.
            service::discard(&mut body, DISCARDED_BYTES_MAX).await;
        }
        let (is_gzip, received) = received?;
        if is_gzip { self.unpack(reading, received).await } else { Ok(received) }
    }

    async fn receive(&self, reading: Reading<'_>, body: &mut Body) -> Result<ReadBody, Refusal> {
        let (mut received, mut pace) = (Received::new(self.room_of(reading)), Pace::begin());
        loop {
            let frame = timeout_at(pace.deadline(), body.frame()).await.map_err(|_| Pace::refusal())?;
            let Some(frame) = frame else { return Ok(received.whole()) };
            let Ok(frame) = frame else { return Err(Refusal::bad_request("body_broke_off", "the body broke off")) };
            let Ok(data) = frame.into_data() else { continue };
            if received.bytes() + data.len() > reading.bytes_max {
                return Err(packing::too_large(reading.bytes_max));
            }
            received.room.take(data.len())?;
            pace.received(data.len());
            received.push(data);
        }
    }

    async fn unpack(&self, reading: Reading<'_>, packed: ReadBody) -> Result<ReadBody, Refusal> {
        let (mut room, bytes_max) = (self.room_of(reading), reading.bytes_max);
        let unpacking = tokio::task::spawn_blocking(move || {
            // All of it, or its room would be given back before its memory.
            let packed = packed;
            let unpacked = packing::gunzip(&packed.bytes, bytes_max, &mut room)?;
            Ok(ReadBody { bytes: unpacked.into(), _room: room })
        });
        unpacking.await.map_err(|_| Refusal::unavailable("not_unpacked", "the body could not be unpacked"))?
    }

    fn room_of(&self, reading: Reading<'_>) -> Room {
        let key = reading.key.map(|key| Holder::Key(key.to_owned()));
        Room::new(self.0.clone(), [Holder::Network(reading.client)].into_iter().chain(key).collect())
    }
}

/// What has arrived of a body so far. Most bodies are one frame, which is kept as it came.
struct Received {
    first: Bytes,
    all: BytesMut,
    room: Room,
}

impl Received {
    fn new(room: Room) -> Self {
        Self { first: Bytes::new(), all: BytesMut::new(), room }
    }

    fn bytes(&self) -> usize {
        self.first.len().max(self.all.len())
    }

    fn push(&mut self, data: Bytes) {
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

#[cfg(test)]
mod tests;
