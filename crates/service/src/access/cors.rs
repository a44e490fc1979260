//! Permissions of pages of other origins: the CORS protocol of the Fetch standard.
//!
//! `navigator.sendBeacon` and `EventSource` send requests with credentials, for which `*` is not valid: neither in the
//! answer to the preflight nor in the answer to the request. So permitted origins are named. That reveals nothing: no cookie
//! is read, and a password that a browser keeps for query permits only configured origins and those that a key names.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use super::Access;
use super::credentials::{self, Credentials};
use super::guard::Guard;
use super::keys::{Binding, SentKey};
use super::origins::Origins;
use super::rejection::Rejection;

/// Seconds for which a browser may cache the answer to a preflight: the maximum of Chromium.
const PREFLIGHT_AGE_S: HeaderValue = HeaderValue::from_static("7200");

/// Headers of Private Network Access: a public page asks whether it may reach a private address.
const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");

/// Headers on which the answer to a preflight depends.
const PREFLIGHT_VARY: HeaderValue = HeaderValue::from_static(
    "origin, access-control-request-method, access-control-request-headers, access-control-request-private-network",
);

const TRUE: HeaderValue = HeaderValue::from_static("true");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// Pages that may use a service.
pub enum Pages {
    /// Pages of any origin may send events, unless all keys are bound to other origins.
    Send,
    /// Pages of these origins, and of those that a key names, may read with credentials. If keys are required, other pages
    /// may read without credentials, because they have to send a key.
    Read(Origins),
}

/// Permission of a page.
enum Permission {
    /// None: the browser withholds the answer from the page.
    Refused,
    /// Pages of any origin may read the answer to a request without credentials.
    Any,
    /// Pages of this origin may read the answer, also to a request with credentials.
    Origin(HeaderValue),
}

struct Cors {
    guard: Arc<Guard>,
    pages: Pages,
    methods: HeaderValue,
    exposed: HeaderValue,
}

impl Access {
    /// Answers preflights, and permits pages to read answers and errors. It belongs before everything else, because browsers
    /// send preflights without a key.
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
            // The browser reports only a failed preflight; the body explains it to a developer.
            response = self.rejection();
            response.headers_mut().insert(header::VARY, PREFLIGHT_VARY);
            return response;
        }
        let headers = response.headers_mut();
        headers.insert(header::VARY, PREFLIGHT_VARY);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_AGE_S);
        if let Some(names) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            // Named one by one: `*` never includes Authorization, and means nothing in a request with credentials.
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        if asked.get(REQUEST_PRIVATE_NETWORK) == Some(&TRUE) {
            headers.insert(ALLOW_PRIVATE_NETWORK, TRUE);
        }
        response
    }

    fn rejection(&self) -> Response {
        match &self.pages {
            Pages::Send => Rejection::Origin.answer(false),
            Pages::Read(_) => Rejection::UnlistedOrigin.answer(false),
        }
    }
}

impl Permission {
    /// Adds the permission to an answer; false if there is none.
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
    /// Binding of the request's key to an origin; without a known key, as in preflights, the binding of all keys together.
    /// `None` if no keys are required.
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
