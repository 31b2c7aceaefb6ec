//! What the API documentation says about the exchange endpoints. The forms are read by hand, for their tolerances.

use keywright_protocol::{ErrorBody, auth::TokenResponse};

/// A Personal Access Key to exchange.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "documents a form that is read by hand")]
pub(super) struct PersonalAccessKeyForm {
    /// The Personal Access Key.
    #[schema(rename = "personalAccessKey", example = "kw_pak_...")]
    personal_access_key: String,
    /// GUID of a sub-organization, for a key that was made in its root. Empty is the same as absent.
    #[schema(rename = "subOrganization", required = false, example = "")]
    sub_organization: Option<String>,
    /// Taken and ignored: the token carries the key's whole grant.
    #[schema(required = false, example = "")]
    scope: Option<String>,
}

/// The same under older names.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "documents a form that is read by hand")]
pub(super) struct PatForm {
    /// The Personal Access Key; `personal-access-key` is taken too.
    #[schema(example = "kw_pak_...")]
    pat: String,
    /// GUID of a sub-organization, for a key that was made in its root. Empty is the same as absent.
    #[schema(rename = "subOrganizationId", required = false, example = "")]
    sub_organization_id: Option<String>,
    /// Taken and ignored: the token carries the key's whole grant.
    #[schema(required = false, example = "")]
    scope: Option<String>,
}

/// An API Key to exchange.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "documents a form that is read by hand")]
pub(super) struct ApiKeyForm {
    /// The key's present name, an earlier one, or its id.
    #[schema(example = "acme-ci")]
    name: String,
    /// The key's secret.
    #[schema(example = "kw_api_...")]
    secret: String,
    /// GUID of the organization the token is for; without it the key's own.
    #[schema(rename = "organizationId", required = false, example = "")]
    organization_id: Option<String>,
}

/// Everything that an exchange answers.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "documents answers that are rendered elsewhere")]
pub(super) enum ExchangeAnswers {
    /// The key lives and has a grant: a signed access token.
    #[response(status = 200, example = json!({"access_token": "eyJhbGciOiJFUzI1NiIs...", "token_type": "Bearer", "expires_in": 3600}))]
    Issued(TokenResponse),
    /// A parameter is missing, empty, stands twice or differs from its other spelling; or the organization id is no GUID.
    #[response(status = 400, example = json!({"error": "organizationId must be a valid GUID",
        "error_description": "organizationId must be a valid GUID, such as 6f9619ff-8b86-4011-b42d-00c04fc964ff",
        "message": "organizationId must be a valid GUID, such as 6f9619ff-8b86-4011-b42d-00c04fc964ff"}))]
    BadRequest(ErrorBody),
    /// The key is unknown (`invalid_key`), damaged (`malformed_key`), or known and dead: `key_expired`, `key_revoked`,
    /// `key_suspended`, `key_not_yet_valid`, `key_secret_replaced`, `key_name_mismatch`, `key_address_not_allowed`,
    /// `holder_disabled`, `membership_ended`, `organization_disabled`.
    #[response(status = 401, example = json!({"error": "key_expired",
        "error_description": "this key expired on 2027-05-23T09:00:00.000Z; make a new one, or rotate it, in the Security section of your organization or at its personal-access-keys or api-keys on the identity API",
        "message": "this key expired on 2027-05-23T09:00:00.000Z; make a new one, or rotate it, in the Security section of your organization or at its personal-access-keys or api-keys on the identity API"}))]
    Refused(ErrorBody),
    /// The key lives, but the organization asked for is unknown or out of its reach (`organization_out_of_reach`), or its
    /// roles give nothing there (`nothing_granted`).
    #[response(status = 403, example = json!({"error": "organization_out_of_reach",
        "error_description": "this key gives no access to that organization; use a key of that organization, or of its root",
        "message": "this key gives no access to that organization; use a key of that organization, or of its root"}))]
    OutOfReach(ErrorBody),
    /// The body is longer than 16 KiB.
    #[response(status = 413, example = json!({"error": "request_too_large",
        "error_description": "the body is longer than 16384 bytes, which is the limit here",
        "message": "the body is longer than 16384 bytes, which is the limit here"}))]
    TooLarge(ErrorBody),
    /// The body is not a form.
    #[response(status = 415, example = json!({"error": "unsupported_media_type",
        "error_description": "send a form: Content-Type: application/x-www-form-urlencoded and a body such as personalAccessKey=kw_pak_...",
        "message": "send a form: Content-Type: application/x-www-form-urlencoded and a body such as personalAccessKey=kw_pak_..."}))]
    NotAForm(ErrorBody),
    /// Too many keys from this address were refused (its limit holds for every key), or this key or its organization exchanges too often.
    /// Try again after `Retry-After` seconds.
    #[response(status = 429, headers(
        ("Retry-After" = i64, description = "Seconds to wait."),
        ("RateLimit" = String, description = "The limit that was reached, and in how many seconds there is something left again: `\"key\";r=0;t=1`."),
        ("RateLimit-Policy" = String, description = "How much that limit is, and in how many seconds all of it comes back: `\"key\";q=200;w=2`.")),
        example = json!({"error": "rate_limited",
        "error_description": "this key is exchanged too often; use each access token until it expires, and try again in a second",
        "message": "this key is exchanged too often; use each access token until it expires, and try again in a second"}))]
    Limited(ErrorBody),
    /// The headers together are longer than 16 KiB.
    #[response(status = 431, example = json!({"error": "headers_too_large",
        "error_description": "the headers are longer than 16384 bytes together, which is the limit here",
        "message": "the headers are longer than 16384 bytes together, which is the limit here"}))]
    HeadersTooLarge(ErrorBody),
    /// Something broke here; tell the operator the `X-Request-Id`.
    #[response(status = 500, example = json!({"error": "server_error",
        "error_description": "something went wrong here; if it happens again, tell the operator the X-Request-Id of this answer",
        "message": "something went wrong here; if it happens again, tell the operator the X-Request-Id of this answer"}))]
    Broken(ErrorBody),
    /// The database does not answer. The key may well be good: try again after `Retry-After` seconds.
    #[response(status = 503, example = json!({"error": "temporarily_unavailable",
        "error_description": "the database does not answer at the moment; try again in a second",
        "message": "the database does not answer at the moment; try again in a second"}))]
    Unavailable(ErrorBody),
}

/// What the old endpoints answer besides.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "documents answers that are rendered elsewhere")]
pub(super) enum LegacyAnswers {
    /// The operator has switched this endpoint off.
    #[response(status = 410, example = json!({"error": "endpoint_switched_off",
        "error_description": "this old endpoint is switched off here; send personalAccessKey to /auth/v3/token",
        "message": "this old endpoint is switched off here; send personalAccessKey to /auth/v3/token"}))]
    SwitchedOff(ErrorBody),
}
