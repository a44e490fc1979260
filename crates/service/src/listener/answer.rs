//! Router of one connection: adds the peer's address to requests, and records which requests are in progress.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::{Body, Bytes};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper_util::service::{TowerToHyperService, TowerToHyperServiceFuture};

use super::state::State;
use crate::http::client_ip::Peer;

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
}

/// A request in progress, until this is dropped.
struct Answering(Arc<State>);

/// Future of an answer.
pub(super) struct Answer {
    routed: TowerToHyperServiceFuture<Router, hyper::Request<Incoming>>,
    answering: Option<Answering>,
}

/// Body of an answer. The request is in progress until the body was sent completely.
pub(super) struct Answered {
    body: Body,
    _answering: Option<Answering>,
}

impl hyper::service::Service<hyper::Request<Incoming>> for Answers {
    type Response = hyper::Response<Answered>;
    type Error = Infallible;
    type Future = Answer;

    fn call(&self, mut request: hyper::Request<Incoming>) -> Answer {
        request.extensions_mut().insert(self.peer);
        self.state.begin();
        let answering = Some(Answering(self.state.clone()));
        Answer { routed: hyper::service::Service::call(&self.router, request), answering }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Future for Answer {
    type Output = Result<hyper::Response<Answered>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(Pin::new(&mut self.routed).poll(cx))?;
        let answering = self.answering.take();
        if let (Some(Answering(state)), Some(EndsWithClient)) = (&answering, response.extensions().get()) {
            state.stream();
        }
        Poll::Ready(Ok(response.map(|body| Answered { body, _answering: answering })))
    }
}

impl hyper::body::Body for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
