//! Router of one connection: adds the peer's address to requests, and records which requests are in progress.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::response::IntoResponse;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_util::service::{TowerToHyperService, TowerToHyperServiceFuture};

use super::state::State;
use super::streams::{FIELDS_MAX, Streams};
use crate::http::client_ip::Peer;
use crate::http::places::Place;
use crate::http::{ApiError, request_metrics};

/// Maximum bytes that are handed to hyper at once. The client's pace is measured in such pieces.
const PIECE_BYTES: usize = 16 << 10;

/// Marks an answer without an end, such as Server-Sent Events: its client has hung up once it closes its sending side. An
/// extension of the response.
#[derive(Debug, Clone, Copy)]
pub struct EndsWithClient;

/// Answers the requests of a connection.
#[derive(Clone)]
pub(super) struct Answers {
    pub(super) router: TowerToHyperService<Router>,
    pub(super) peer: Peer,
    pub(super) state: Arc<State>,
    pub(super) streams: Streams,
}

/// A request in progress, until this is dropped.
struct Answering {
    state: Arc<State>,
    request: u64,
    _stream: Option<Place>,
}

/// Future of an answer.
pub(super) struct Answer {
    outcome: Outcome,
    answering: Option<Arc<Answering>>,
}

/// Where an answer comes from.
#[expect(clippy::large_enum_variant, reason = "nearly all answers are routed")]
enum Outcome {
    Routed(TowerToHyperServiceFuture<Router, hyper::Request<Incoming>>),
    Refused(Option<ApiError>),
}

/// Body of an answer. The request is in progress until the body was sent completely.
pub(super) struct Answered {
    body: Body,
    /// Bytes of the current frame that are not handed to hyper yet.
    rest: Bytes,
    answering: Arc<Answering>,
}

/// Bytes of a body that hyper has, and drops when the socket has accepted them.
struct Piece {
    bytes: Bytes,
    answering: Arc<Answering>,
}

impl hyper::service::Service<hyper::Request<Incoming>> for Answers {
    type Response = hyper::Response<Answered>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, mut request: hyper::Request<Incoming>) -> Answer {
        request.extensions_mut().insert(self.peer);
        let number = self.state.begin();
        let (outcome, stream) = match self.admit(&request) {
            Ok(stream) => (Outcome::Routed(hyper::service::Service::call(&self.router, request)), stream),
            Err(error) => {
                request_metrics::refused(error.code());
                (Outcome::Refused(Some(error)), None)
            }
        };
        Answer {
            outcome,
            answering: Some(Arc::new(Answering { state: self.state.clone(), request: number, _stream: stream })),
        }
    }
}

impl Answers {
    /// Bounds the memory of a request before anything is done with it.
    fn admit(&self, request: &hyper::Request<Incoming>) -> Result<Option<Place>, ApiError> {
        if request.headers().len() > FIELDS_MAX {
            return Err(ApiError::too_many_fields(FIELDS_MAX));
        }
        let is_first = self.state.in_progress() == 1;
        if is_first { Ok(None) } else { self.streams.take(self.peer, request.headers()).map(Some) }
    }
}

impl Answering {
    fn hand_over(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        self.state.paces.hand_over(self.request, bytes.len());
        Bytes::from_owner(Piece { bytes, answering: self.clone() })
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.state.end(self.request);
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.answering.state.paces.take(self.answering.request, self.bytes.len());
    }
}

impl Future for Answer {
    type Output = Result<hyper::Response<Answered>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = match &mut self.outcome {
            Outcome::Routed(routed) => ready!(Pin::new(routed).poll(cx))?,
            Outcome::Refused(error) => error.take().expect("a completed future is not polled again").into_response(),
        };
        let answering = self.answering.take().expect("a completed future is not polled again");
        if let Some(EndsWithClient) = response.extensions().get() {
            answering.state.stream();
        }
        Poll::Ready(Ok(response.map(|body| Answered { body, rest: Bytes::new(), answering })))
    }
}

impl hyper::body::Body for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                self.answering.state.paces.pause(self.answering.request);
                return Poll::Pending;
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                None => return Poll::Ready(None),
                Some(Err(err)) => return Poll::Ready(Some(Err(err))),
                Some(Ok(Err(other))) => return Poll::Ready(Some(Ok(other))),
                Some(Ok(Ok(data))) => self.rest = data,
            }
        }
        let bytes = self.rest.len().min(PIECE_BYTES);
        let piece = self.rest.split_to(bytes);
        Poll::Ready(Some(Ok(Frame::data(self.answering.hand_over(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}
