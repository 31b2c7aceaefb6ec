//! The API as an OpenAPI document. Paths, parameters, bodies and the answers to good requests come from the handlers; the
//! errors, which are alike everywhere, are added here with the very bodies that are sent.

use crate::Error;
use axum::http::StatusCode;
use keywright_protocol::ErrorBody;
use serde_json::{Value, json};
use utoipa::{
    OpenApi as _,
    openapi::{
        Components, Content, ContentBuilder, HeaderBuilder, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, Ref, Response, ResponseBuilder, Type,
        path::Operation,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
        tag::TagBuilder,
    },
};

const SCHEME: &str = "accessToken";

const DESCRIPTION: &str = "\
Distribution profiles of an organization.

**Authentication.** Exchange a Personal Access Key or an API Key for an access token (`POST /auth/v3/token` or \
`POST /auth/v1/api-key/token` of the auth API), and send it with each request, as `Authorization: Bearer <token>` or as \
`Authorization: <token>`. The token says which organization a request is for; nothing of other organizations can be seen or \
changed. A key itself is refused here with 401.

**Permissions.** Each operation names the permission it needs. A refusal with 403 says which one is missing and which roles \
carry it.

**Versions.** `/distribution/v1` and `/distribution/v2` are the same.

**Errors.** Each has the body `ErrorBody`: a stable code in `error`, and in `error_description` and `message` a sentence that \
says what to do.";

#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(ErrorBody)))]
struct Shared;

/// The document `distribution`: every route, parameter, answer and error of this API.
#[must_use]
pub fn openapi() -> OpenApi {
    let mut document = crate::routes().into_openapi();
    document.info = InfoBuilder::new()
        .title("distribution")
        .description(Some(DESCRIPTION))
        .version(env!("CARGO_PKG_VERSION"))
        .license(Some(LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build()))
        .build();
    document.tags = Some(vec![TagBuilder::new().name("profiles").description(Some("What app versions are distributed under.")).build()]);
    document.merge(Shared::openapi());
    document.components.get_or_insert_with(Components::new).add_security_scheme(SCHEME, scheme());
    document.security = Some(vec![SecurityRequirement::new(SCHEME, Vec::<String>::new())]);
    for (path, item) in &mut document.paths.paths {
        for (operation, kind) in [(&mut item.get, Kind::Read), (&mut item.post, Kind::Create), (&mut item.patch, Kind::Update)] {
            if let Some(operation) = operation {
                complete(operation, path, kind);
            }
        }
    }
    document
}

fn scheme() -> SecurityScheme {
    let http = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("An access token of this installation, for this API. The word `Bearer` may be left out and is read in any case."));
    SecurityScheme::Http(http.build())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Read,
    Create,
    Update,
}

fn complete(operation: &mut Operation, path: &str, kind: Kind) {
    if path.starts_with("/distribution/v1/") {
        // Ids of operations are unique in a document.
        operation.operation_id = operation.operation_id.take().map(|id| format!("{id}V1"));
    }
    let one = path.ends_with("/{id}");
    let mut answers = vec![unauthorized(), forbidden(kind), unavailable(), plain("Something is broken inside.", &Error::Internal)];
    match kind {
        Kind::Read if one => {}
        Kind::Read => answers.push(invalid("Page must be a whole number from 1 to 2147483647; send for example Page=1")),
        Kind::Create | Kind::Update => {
            answers.push(invalid("name must have 1 to 128 characters and no control characters; choose another"));
            answers.push(plain("The organization has another profile of this name.", &Error::NameTaken));
            answers.push(plain("The body is too long.", &Error::TooLarge));
        }
    }
    if one {
        answers.push(plain("No such profile in this organization. An id that is none, or another organization's, gets the same answer.", &Error::NotFound));
    }
    for (status, response) in answers {
        operation.responses.responses.insert(status.as_str().to_owned(), response.into());
    }
}

fn unauthorized() -> (StatusCode, Response) {
    let sentence = "send an access token in the Authorization header; exchange a key for one at https://auth.example.com/auth/v3/token";
    let body = ErrorBody::new("unauthorized", sentence);
    let response = error("No token, or one that is not accepted: expired, for another audience, a raw key.", &body);
    (StatusCode::UNAUTHORIZED, response.header("WWW-Authenticate", text_header("The challenge of RFC 6750, section 3.")).build())
}

fn forbidden(kind: Kind) -> (StatusCode, Response) {
    let (permission, role) = match kind {
        Kind::Read => (crate::profiles::VIEW, "view-distribution-profile"),
        Kind::Create | Kind::Update => (crate::profiles::MANAGE, "manage-distribution-profile"),
    };
    let sentence = format!("this needs the permission {permission}; ask an Owner of the organization for one of these roles: {role}, owner");
    let mut body = ErrorBody::new("insufficient_permission", sentence);
    body.required_permission = Some(permission.to_owned());
    body.roles_with_permission = vec![role.to_owned(), "owner".to_owned()];
    let description = match kind {
        Kind::Update => "A permission is missing: `distribution.profile.view` at all, and one more for each value that would become another.".to_owned(),
        Kind::Read | Kind::Create => format!("The permission `{permission}` is missing."),
    };
    let response = error(&description, &body);
    (StatusCode::FORBIDDEN, response.header("WWW-Authenticate", text_header("The challenge of RFC 6750, section 3, with the missing `scope`.")).build())
}

fn invalid(sentence: &str) -> (StatusCode, Response) {
    plain("Something of the request cannot be read or is out of bounds; the sentence says what can be sent.", &Error::Invalid(sentence.to_owned()))
}

fn plain(description: &str, failure: &Error) -> (StatusCode, Response) {
    (failure.status_and_code().0, error(description, &failure.body()).build())
}

fn unavailable() -> (StatusCode, Response) {
    let failure = Error::Unavailable;
    let response = error("The data, or the keys that tokens are checked with, are out of reach.", &failure.body());
    (failure.status_and_code().0, response.header("Retry-After", text_header("Seconds after which to try again.")).build())
}

fn error(description: &str, body: &ErrorBody) -> ResponseBuilder {
    let content: Content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).example(Some(json!(body))).build();
    ResponseBuilder::new().description(description).content("application/json", content)
}

fn text_header(description: &str) -> utoipa::openapi::Header {
    HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String).build())).description(Some(description)).build()
}

/// An example: a profile as it stands in a list.
pub(crate) fn listed_profile() -> Value {
    json!({
        "id": "0f9b2f43-7a52-4c1e-9f0e-0d5f3a1f6b21",
        "name": "Nightly builds",
        "pinned": true,
        "iOSVersion": null,
        "androidVersion": null,
        "createDate": "2026-03-02T08:30:00.000Z",
        "updateDate": "2026-03-04T16:05:12.345Z",
        "lastAppVersionSharedDate": null,
        "settings": { "authenticationType": 3, "username": "qa", "autoSendEnabled": false },
        "testingGroupIds": ["6a8c1df0-52c4-4c8a-8b0e-6a0f1f0a7f55"]
    })
}

/// An example: a profile with its app versions.
pub(crate) fn profile() -> Value {
    let mut profile = listed_profile();
    if let Some(members) = profile.as_object_mut() {
        members.insert("appVersions".to_owned(), json!([]));
    }
    profile
}

/// An example: a profile that has just been made.
pub(crate) fn new_profile() -> Value {
    json!({
        "id": "0f9b2f43-7a52-4c1e-9f0e-0d5f3a1f6b21",
        "name": "Nightly builds",
        "pinned": false,
        "iOSVersion": null,
        "androidVersion": null,
        "createDate": "2026-03-02T08:30:00.000Z",
        "updateDate": "2026-03-02T08:30:00.000Z",
        "lastAppVersionSharedDate": null,
        "settings": { "authenticationType": 1, "autoSendEnabled": false },
        "testingGroupIds": null,
        "appVersions": []
    })
}

/// An example: a change of a profile.
pub(crate) fn patch() -> Value {
    json!({
        "pinned": true,
        "settings": { "authenticationType": 3, "username": "qa", "password": "correct horse battery staple" },
        "testingGroupIds": ["6a8c1df0-52c4-4c8a-8b0e-6a0f1f0a7f55"]
    })
}
