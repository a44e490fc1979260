//! Reads request bodies within bounds: their size, packed and unpacked, the pace at which they arrive, and the memory of
//! all bodies and of those of one client.

mod gzip;
mod pace;

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::HeaderMap;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use service::ApiError;
use tokio::time::timeout_at;

use pace::Pace;

use crate::memory::{Full, Memory, Owner, Reservation};
use crate::metrics::Usage;

pub use crate::memory::SMALL_BODY_BYTES_MAX;

/// Maximum bytes that are read and discarded of a body that is refused.
const DRAINED_BYTES_MAX: usize = 32 << 20;

/// The memory that all bodies share.
#[derive(Debug, Clone)]
pub struct Bodies(Arc<Memory>);

/// A complete body. Its share of the memory is freed when it is dropped.
#[derive(Debug)]
pub struct ReadBody {
    /// The content, unpacked.
    pub bytes: Bytes,
    _memory: Reservation,
}

/// Request whose body is read.
#[derive(Debug, Clone, Copy)]
pub struct BodyRequest<'a> {
    /// The client: an address, or a network that counts as one.
    pub client: IpAddr,
    /// Id of the key, if the request has one.
    pub key: Option<&'a str>,
    /// Headers of the request.
    pub headers: &'a HeaderMap,
    /// Maximum bytes of the body, both packed and unpacked.
    pub bytes_max: usize,
}

impl Bodies {
    /// Memory for bodies with at most `bytes_max` together.
    pub fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Memory::new(bytes_max)))
    }

    /// Bytes of bodies that are in memory, and their maximum.
    pub(crate) fn usage(&self) -> Usage {
        Usage { bytes: self.0.bytes(), bytes_max: self.0.bytes_max() }
    }

    /// Reads a body, and unpacks gzip.
    ///
    /// # Errors
    ///
    /// The answer for the client: 400, 408, 413, 415, or 503 where there is no memory for the body.
    pub async fn read(&self, request: BodyRequest<'_>, mut body: Body) -> Result<ReadBody, ApiError> {
        let receiving = async {
            let is_gzip = gzip::is_gzip(request.headers)?;
            Ok((is_gzip, self.receive(request, &mut body).await?))
        };
        let received = receiving.await;
        if received.is_err() {
            // Most clients read the answer only after they have sent the whole body.
            service::drain(&mut body, DRAINED_BYTES_MAX).await;
        }
        let (is_gzip, received) = received?;
        if is_gzip { self.unpack(request, received).await } else { Ok(received) }
    }

    async fn receive(&self, request: BodyRequest<'_>, body: &mut Body) -> Result<ReadBody, ApiError> {
        let (mut received, mut pace) = (Received::new(self.reservation(request)), Pace::begin());
        loop {
            let frame = timeout_at(pace.deadline(), body.frame()).await.map_err(|_| Pace::refusal())?;
            let Some(frame) = frame else { return Ok(received.whole()) };
            let Ok(frame) = frame else {
                return Err(ApiError::bad_request("body_broke_off", "the connection broke before the end of the body"));
            };
            let Ok(data) = frame.into_data() else { continue };
            if received.bytes() + data.len() > request.bytes_max {
                return Err(gzip::too_large(request.bytes_max));
            }
            received.memory.take(data.len()).map_err(refuse)?;
            pace.received(data.len());
            received.push(data);
        }
    }

    async fn unpack(&self, request: BodyRequest<'_>, packed: ReadBody) -> Result<ReadBody, ApiError> {
        let (mut memory, bytes_max) = (self.reservation(request), request.bytes_max);
        let unpacking = tokio::task::spawn_blocking(move || {
            // Moves the whole body here; its reservation would otherwise end before its memory is freed.
            let packed = packed;
            let unpacked = gzip::gunzip(&packed.bytes, bytes_max, &mut memory)?;
            Ok(ReadBody { bytes: unpacked.into(), _memory: memory })
        });
        unpacking.await.map_err(|_| ApiError::unavailable("not_unpacked", "the body could not be unpacked"))?
    }

    fn reservation(&self, request: BodyRequest<'_>) -> Reservation {
        Reservation::new(self.0.clone(), Owner::all(request.client, request.key))
    }
}

/// The answer where there is no memory for a body.
fn refuse(full: Full) -> ApiError {
    let error = match full {
        Full::ByAll => "too many large requests at once; send this one again",
        Full::ByClient => "too many large requests of this client at once; send this one again",
    };
    ApiError::unavailable("too_many_bodies", error)
}

/// The part of a body that has arrived. Most bodies are one frame, which is kept without a copy.
struct Received {
    first: Bytes,
    all: BytesMut,
    memory: Reservation,
}

impl Received {
    fn new(memory: Reservation) -> Self {
        Self { first: Bytes::new(), all: BytesMut::new(), memory }
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
        ReadBody { bytes, _memory: self.memory }
    }
}

#[cfg(test)]
mod tests;
