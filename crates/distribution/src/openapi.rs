//! The API as an OpenAPI document. Paths, parameters, bodies and the answers to good requests come from the handlers; the
//! errors, which are alike everywhere, are added here with the very bodies that are sent.

mod answers;
mod examples;

pub(crate) use examples::*;

use keywright_protocol::ErrorBody;
use utoipa::{
    OpenApi as _,
    openapi::{
        Components, InfoBuilder, LicenseBuilder, OpenApi,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
        tag::TagBuilder,
    },
};

const SCHEME: &str = "accessToken";

const DESCRIPTION: &str = "\
Distribution profiles of an organization, the app versions that are uploaded to them, and the testing groups they are shared with.

**Authentication.** Exchange a Personal Access Key or an API Key for an access token (`POST /auth/v3/token` or \
`POST /auth/v1/api-key/token` of the auth API), and send it with each request, as `Authorization: Bearer <token>` or as \
`Authorization: <token>`. The token says which organization a request is for; nothing of other organizations can be seen or \
changed. A key itself is refused here with 401. Upload URLs alone go without a token.

**Uploads.** In one request, as a form; or in three: ask for an upload URL, send the file to it, commit. A file that is not committed \
within an hour is gone. An organization has at most 100 uploads under way.

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
    let tag = |name: &str, description: &str| TagBuilder::new().name(name).description(Some(description)).build();
    document.tags = Some(vec![
        tag("profiles", "What app versions are distributed under."),
        tag("app versions", "What is uploaded to profiles."),
        tag("testing groups", "Whom profiles are shared with."),
    ]);
    document.merge(Shared::openapi());
    document.components.get_or_insert_with(Components::new).add_security_scheme(SCHEME, scheme());
    document.security = Some(vec![SecurityRequirement::new(SCHEME, Vec::<String>::new())]);
    for (path, item) in &mut document.paths.paths {
        for operation in [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten() {
            answers::complete(operation, path);
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
