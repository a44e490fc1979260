//! Memory of answers: a maximum in all, and for each client.
//!
//! An answer holds its share until the last of its bytes is sent or given up, however slowly the client takes it. Answers
//! without a known length, such as Server-Sent Events, hold none: they are made piece by piece.

use std::sync::Arc;

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::response::{IntoResponse, Response};

use crate::http::ApiError;
use crate::http::client_ip::Client;
use crate::http::places::{Place, Places};

/// Maximum bytes of an answer that holds no share: it is part of the memory of its connection.
const SMALL_BYTES_MAX: usize = 4 << 10;

/// Maximum memory of answers in progress.
#[derive(Debug, Clone, Copy)]
pub struct AnswerLimits {
    /// Maximum bytes of all answers.
    pub bytes_max: usize,
    /// Maximum bytes of the answers to one client. A single answer that is larger counts as so many.
    pub per_client_bytes_max: usize,
}

/// Share of the memory of answers that a request has reserved for its own. An extension of the response.
#[derive(Debug, Clone)]
pub struct AnswerMemory(Option<Arc<Place>>);

/// Bytes of an answer with their share.
struct Held {
    bytes: Bytes,
    _memory: AnswerMemory,
}

impl Default for AnswerLimits {
    fn default() -> Self {
        Self { bytes_max: 32 << 20, per_client_bytes_max: 16 << 20 }
    }
}

impl AnswerLimits {
    pub(super) fn places(self) -> Places {
        Places::new(self.bytes_max, self.per_client_bytes_max)
    }

    /// Memory of answers by these limits. Text is written into a buffer that doubles when it is full.
    pub fn memory_bytes_max(self) -> u64 {
        2 * self.bytes_max as u64
    }
}

impl AnswerMemory {
    /// Reserves memory for an answer of a client.
    ///
    /// # Errors
    ///
    /// 503: answers that are not sent yet have all of it, or the client's share.
    pub(super) fn reserve(places: &Places, client: &Client, bytes: usize) -> Result<Self, ApiError> {
        if bytes <= SMALL_BYTES_MAX {
            return Ok(Self(None));
        }
        let place = places.take_many(client, bytes.min(places.per_client_max())).map_err(|_| {
            ApiError::unavailable("too_many_answers", "answers that are not sent yet take all memory; ask again later")
        })?;
        Ok(Self(Some(Arc::new(place))))
    }
}

/// Lets an answer hold its share of the memory, or replaces it with a 503.
pub(super) async fn bounded(places: &Places, client: &Client, mut response: Response) -> Response {
    let Some(bytes) = response.body().size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok()) else {
        return response;
    };
    let memory = match response.extensions_mut().remove::<AnswerMemory>() {
        Some(reserved) => reserved,
        None => match AnswerMemory::reserve(places, client, bytes) {
            Ok(memory) => memory,
            Err(error) => return error.into_response(),
        },
    };
    if memory.0.is_none() {
        return response;
    }
    let (parts, body) = response.into_parts();
    // Bodies of a known length are in memory already.
    match to_bytes(body, bytes).await {
        Ok(bytes) => {
            let held = Bytes::from_owner(Held { bytes, _memory: memory });
            Response::from_parts(parts, Body::from(held))
        }
        Err(_) => ApiError::unavailable("not_answered", "the answer could not be read").into_response(),
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;

    use super::*;

    fn client(text: &str) -> Client {
        Client::of_address(text.parse().expect("an address"))
    }

    #[tokio::test]
    async fn an_answer_holds_its_memory_until_its_last_byte_is_gone() {
        let places = Places::new(40_000, 20_000);
        let (greedy, modest) = (client("203.0.113.1"), client("203.0.113.2"));
        let ask = async |client: &Client, bytes: usize| {
            let response = bounded(&places, client, vec![b'x'; bytes].into_response()).await;
            (response.status(), to_bytes(response.into_body(), usize::MAX).await.expect("a body"))
        };
        let (_, mut answer) = ask(&greedy, 15_000).await;
        assert_eq!((answer.len(), places.taken()), (15_000, (15_000, 40_000)));
        assert_eq!(ask(&greedy, 10_000).await.0, StatusCode::SERVICE_UNAVAILABLE, "the client has its share");
        assert_eq!(ask(&greedy, 4_096).await.0, StatusCode::OK, "small answers are part of their connections");
        assert_eq!(ask(&modest, 20_000).await.0, StatusCode::OK, "another client");
        let last = answer.split_off(14_999);
        drop(answer);
        assert_eq!(places.taken(), (15_000, 40_000), "the buffer is still there");
        drop(last);
        assert_eq!(places.taken(), (0, 40_000));
    }

    #[tokio::test]
    async fn an_answer_that_was_reserved_for_is_never_refused() {
        let (places, client) = (Places::new(40_000, 20_000), client("203.0.113.1"));
        let memory = AnswerMemory::reserve(&places, &client, 20_000).expect("memory");
        let mut response = vec![b'x'; 20_000].into_response();
        response.extensions_mut().insert(memory);
        let response = bounded(&places, &client, response).await;
        assert_eq!((response.status(), places.taken()), (StatusCode::OK, (20_000, 40_000)));
        drop(response);
        assert_eq!(places.taken(), (0, 40_000));
    }
}
