//! Description of keys and rates in OpenAPI, if there are any.

use utoipa::PartialSchema;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};

/// Adds the ways in which a key may be sent, and the answers to requests without a valid one.
pub(super) fn describe_keys(document: &mut OpenApi, takes_basic: bool) {
    let http = |scheme: HttpAuthScheme, description: &str| {
        SecurityScheme::Http(HttpBuilder::new().scheme(scheme).description(Some(description)).build())
    };
    let parameter = "For clients that cannot set headers. Addresses are often logged, so a header is better.";
    let parameter = ApiKeyValue::with_description("key", parameter);
    let mut schemes = vec![
        ("key", http(HttpAuthScheme::Bearer, "A key, as `keys add` prints it.")),
        ("key_in_address", SecurityScheme::ApiKey(ApiKey::Query(parameter))),
    ];
    if takes_basic {
        schemes.push(("key_as_password", http(HttpAuthScheme::Basic, "A key as the password, of any user.")));
    }
    let components = document.components.get_or_insert_with(Components::default);
    let requirement = |name: &str| SecurityRequirement::new::<_, [&str; 0], &str>(name, []);
    document.security = Some(schemes.iter().map(|(name, _)| requirement(name)).collect());
    for (name, scheme) in schemes {
        components.add_security_scheme(name, scheme);
    }
    let header = Some(("WWW-Authenticate", "How to send a key"));
    let unknown = error_response("The key is missing, not known, or revoked.", header);
    let forbidden = error_response("The key does not permit this site, or this origin.", None);
    for operation in operations(document) {
        operation.responses.responses.insert("401".to_owned(), RefOr::T(unknown.clone()));
        operation.responses.responses.insert("403".to_owned(), RefOr::T(forbidden.clone()));
    }
}

/// Adds the answer to requests that exceed a rate.
pub(super) fn describe_rates(document: &mut OpenApi) {
    let too_many =
        error_response("Too many requests with this key, or from this address.", Some(("Retry-After", "Seconds")));
    for operation in operations(document) {
        operation.responses.responses.insert("429".to_owned(), RefOr::T(too_many.clone()));
    }
}

fn error_response(description: &str, header: Option<(&str, &str)>) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("RefusalBody"))).build();
    let response = ResponseBuilder::new().description(description).content("application/json", content);
    let Some((header, meaning)) = header else { return response.build() };
    let value = HeaderBuilder::new().schema(Some(String::schema())).description(Some(meaning));
    response.header(header, value.build()).build()
}

fn operations(document: &mut OpenApi) -> impl Iterator<Item = &mut Operation> {
    document.paths.paths.values_mut().flat_map(|item| [item.get.as_mut(), item.post.as_mut()]).flatten()
}
