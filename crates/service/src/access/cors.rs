//! What pages of other origins may do: the CORS protocol of the Fetch standard.
//!
//! `navigator.sendBeacon` and `EventSource` can send with credentials, and for those `*` is no answer: neither to the
//! preflight nor to the request. So an origin that may ask is named. Nothing here is given away by that: no cookie is read,
//! and a password that a browser keeps for query lets only those origins read that were configured, or that a key names.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use super::credentials::{self, Credentials};
use super::guard::Guard;
use super::key::SentKey;
use super::keys::Binding;
use super::origins::Origins;
use super::{Access, denied::Denied};

/// Seconds for which a browser remembers the answer to a preflight: as long as Chromium does at most.
const PREFLIGHT_AGE_S: HeaderValue = HeaderValue::from_static("7200");

/// A page of the internet asks whether it may reach an address of the inside (Private Network Access).
const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// On what the answer to a preflight depends.
const PREFLIGHT_VARY: HeaderValue = HeaderValue::from_static(
    "origin, access-control-request-method, access-control-request-headers, access-control-request-private-network",
);

const TRUE: HeaderValue = HeaderValue::from_static("true");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// Which pages may ask a service.
pub enum Pages {
    /// Any page may send its events, unless every key that could be meant is bound to other origins.
    Send,
    /// Pages of these origins, and of those that a key names, may read, with credentials. With keys any other page may
    /// read without them: it has to have a key.
    Read(Origins),
}

/// What a browser is told.
enum Permission {
    /// Nothing, so it keeps the answer from the page.
    Refused,
    /// A page of any origin may have it, if it was asked without credentials.
    Any,
    /// This origin may have it, with credentials, too.
    Origin(HeaderValue),
}

struct Cors {
    guard: Arc<Guard>,
    pages: Pages,
    methods: HeaderValue,
    exposed: HeaderValue,
}

impl Access {
    /// Answers preflights, and lets pages read answers, refusals among them. It belongs before everything else: browsers ask
    /// without a key whether they may send one.
    pub fn answer_pages(&self, router: Router, pages: Pages) -> Router {
        let (methods, exposed) = match &pages {
            Pages::Send => ("POST", "retry-after"),
            Pages::Read(_) => ("GET", "etag,link,retry-after"),
        };
        let (methods, exposed) = (HeaderValue::from_static(methods), HeaderValue::from_static(exposed));
        let cors = Cors { guard: self.0.clone(), pages, methods, exposed };
        router.layer(from_fn_with_state(Arc::new(cors), answer))
    }
}

async fn answer(State(cors): State<Arc<Cors>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let permission = cors.permission(&parts);
    if parts.method == Method::OPTIONS && parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        return cors.answer_preflight(&parts.headers, permission);
    }
    let mut response = next.run(Request::from_parts(parts, body)).await;
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if permission.describe(headers) {
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, cors.exposed.clone());
    }
    response
}

impl Cors {
    fn permission(&self, parts: &Parts) -> Permission {
        let Some(origin) = parts.headers.get(header::ORIGIN) else {
            return if matches!(self.pages, Pages::Send) { Permission::Any } else { Permission::Refused };
        };
        let Ok(text) = origin.to_str() else { return Permission::Refused };
        let Some(binding) = self.guard.binding(parts, text) else {
            let is_permitted = match &self.pages {
                Pages::Send => true,
                Pages::Read(listed) => listed.contains(text),
            };
            return if is_permitted { Permission::Origin(origin.clone()) } else { Permission::Refused };
        };
        match &self.pages {
            Pages::Send if binding == Binding::Other => Permission::Refused,
            Pages::Read(listed) if binding != Binding::Named && !listed.contains(text) => Permission::Any,
            Pages::Send | Pages::Read(_) => Permission::Origin(origin.clone()),
        }
    }

    fn answer_preflight(&self, asked: &HeaderMap, permission: Permission) -> Response {
        let mut response = StatusCode::OK.into_response();
        if !permission.describe(response.headers_mut()) {
            // A browser says only that the preflight failed; who looks at its answer reads why.
            response = self.refusal();
            response.headers_mut().insert(header::VARY, PREFLIGHT_VARY);
            return response;
        }
        let headers = response.headers_mut();
        headers.insert(header::VARY, PREFLIGHT_VARY);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE_S);
        if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            // Named one by one, because `*` means neither Authorization nor anything where there are credentials.
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        if asked.get(REQUEST_PRIVATE_NETWORK) == Some(&TRUE) {
            headers.insert(ALLOW_PRIVATE_NETWORK, TRUE);
        }
        response
    }

    fn refusal(&self) -> Response {
        match &self.pages {
            Pages::Send => Denied::Origin.answer(false),
            Pages::Read(_) => Denied::UnlistedOrigin.answer(false),
        }
    }
}

impl Permission {
    /// Says so in an answer, and whether there was anything to say.
    fn describe(self, headers: &mut HeaderMap) -> bool {
        match self {
            Self::Refused => return false,
            Self::Any => headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY),
            Self::Origin(origin) => {
                headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin)
            }
        };
        true
    }
}

impl Guard {
    /// What the key of a request says of an origin; without one that is known, as in preflights, what all of them say
    /// together. `None` where no keys are asked for.
    fn binding(&self, parts: &Parts, origin: &str) -> Option<Binding> {
        let keys = self.keys.as_ref()?.borrow();
        let mut headers = HeaderMap::new();
        for value in parts.headers.get_all(header::AUTHORIZATION) {
            headers.append(header::AUTHORIZATION, value.clone());
        }
        let sent = match credentials::take(&mut headers, &mut parts.uri.clone()) {
            Credentials::Text(text) => SentKey::parse(&text).and_then(|sent| keys.find(&sent).cloned()),
            Credentials::None | Credentials::Unreadable => None,
        };
        Some(sent.map_or_else(|| keys.binding(origin), |key| key.binding(origin)))
    }
}
