//! Unpacks gzipped bodies.

use std::io::Read;

use axum::http::{HeaderMap, header};
use flate2::bufread::GzDecoder;
use service::ApiError;
use service::http::header_list;

use super::memory::Reservation;

/// Maximum members of a gzipped body. `cat a.gz b.gz` makes two; bgzip makes one for each 64 KiB, so 129 of 8 MiB. Each
/// costs microseconds, even an empty one of 20 bytes.
pub(super) const MEMBERS_MAX: usize = 256;

/// Bytes that are unpacked at a time.
const STEP_BYTES: usize = 64 << 10;

/// Whether a body is gzipped, by all its `Content-Encoding` headers.
pub(super) fn is_gzip(headers: &HeaderMap) -> Result<bool, ApiError> {
    let encodings = header_list::header_items(headers, &header::CONTENT_ENCODING);
    // Names of encodings are case-insensitive.
    let packed: Vec<_> = encodings.filter(|name| !name.eq_ignore_ascii_case("identity")).collect();
    match packed.as_slice() {
        [] => Ok(false),
        [name] if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => Ok(true),
        _ => Err(ApiError::unsupported("unsupported_encoding", "Content-Encoding must be gzip or identity")),
    }
}

/// Unpacks a body step by step, and reserves memory for each step: the size that gzip declares may be wrong.
pub(super) fn gunzip(packed: &[u8], bytes_max: usize, memory: &mut Reservation) -> Result<Vec<u8>, ApiError> {
    let invalid = |_| ApiError::bad_request("invalid_gzip", "the body is not valid gzip");
    let (mut unpacked, mut rest) = (Vec::new(), packed);
    for _ in 0..MEMBERS_MAX {
        let mut member = GzDecoder::new(rest);
        loop {
            let read = (&mut member).take(STEP_BYTES as u64).read_to_end(&mut unpacked).map_err(invalid)?;
            if unpacked.len() > bytes_max {
                return Err(too_large(bytes_max));
            }
            if read == 0 {
                break;
            }
            memory.take(read)?;
        }
        rest = member.into_inner();
        if rest.is_empty() {
            return Ok(unpacked);
        }
    }
    let error =
        format!("a gzipped body must have at most {MEMBERS_MAX} members, each of which is a gzip file of its own");
    Err(ApiError::bad_request("invalid_gzip", error))
}

pub(super) fn too_large(bytes_max: usize) -> ApiError {
    ApiError::too_large("body_too_large", format!("the body must be at most {bytes_max} bytes long, unpacked"))
}
