//! Unpacks gzipped bodies.

use std::io::Read;

use axum::http::{HeaderMap, header};
use flate2::bufread::GzDecoder;
use service::ApiError;
use service::http::header_list;

use super::refuse;
use crate::memory::Reservation;

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
            memory.take(read).map_err(refuse)?;
        }
        rest = member.into_inner();
        // gzip(1) ignores zeros behind the last member, too: tapes are written in blocks.
        if rest.iter().all(|byte| *byte == 0) {
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::memory::Memory;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).expect("writing to memory");
        encoder.finish().expect("writing to memory")
    }

    #[test]
    fn zeros_behind_the_last_member_are_taken() {
        let unpack = |packed: &[u8]| {
            gunzip(packed, 1_000, &mut Reservation::new(Arc::new(Memory::new(1 << 20)), vec![]))
                .map_err(|refusal| refusal.status())
        };
        let padded = [gzip("first "), gzip("second"), vec![0; 512]].concat();
        assert_eq!(unpack(&padded), Ok(b"first second".to_vec()));
        assert!(unpack(&[padded.as_slice(), b"x"].concat()).is_err());
    }
}
