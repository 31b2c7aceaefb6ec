//! What the API documentation says of the OAuth endpoints. The forms are read by hand.

use keywright_protocol::{ErrorBody, oauth::OAuthTokenResponse};

/// What a token is asked for with.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "documents a form that is read by hand")]
pub(super) struct TokenForm {
    /// `client_credentials`, or `urn:ietf:params:oauth:grant-type:token-exchange`.
    #[schema(example = "client_credentials")]
    grant_type: String,
    /// The API Key's id or name, unless it comes by HTTP Basic.
    #[schema(required = false, example = "acme-ci")]
    client_id: Option<String>,
    /// Its secret, likewise.
    #[schema(required = false, example = "kw_api_...")]
    client_secret: Option<String>,
    /// Token exchange: the key or the access token.
    #[schema(required = false, example = "")]
    subject_token: Option<String>,
    /// Token exchange: `urn:keywright:params:oauth:token-type:personal-access-key`, `urn:keywright:params:oauth:token-type:api-key` or
    /// `urn:ietf:params:oauth:token-type:access_token`.
    #[schema(required = false, example = "")]
    subject_token_type: Option<String>,
    /// Ids of permissions with spaces between them, and no others; without it all that there are.
    #[schema(required = false, example = "")]
    scope: Option<String>,
    /// The API that the token is for: an audience of the catalog, or the issuer (RFC 8707). `audience` is the same.
    #[schema(required = false, example = "")]
    resource: Option<String>,
    /// GUID of the organization that the token is for; without it the key's own.
    #[schema(required = false, example = "")]
    organization_id: Option<String>,
    /// Seconds that it is to live at most.
    #[schema(required = false, example = "")]
    expires_in: Option<String>,
}

/// A token or a key to ask about.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "documents a form that is read by hand")]
pub(super) struct IntrospectForm {
    /// The access token, or a raw key.
    #[schema(example = "eyJhbGciOiJFUzI1NiIs...")]
    token: String,
    /// Taken and not needed.
    #[schema(required = false, example = "access_token")]
    token_type_hint: Option<String>,
    /// For a raw key: the API that is asked for; without it the default one. `audience` is the same.
    #[schema(required = false, example = "")]
    resource: Option<String>,
    /// Who asks, unless that comes in a header.
    #[schema(required = false, example = "")]
    client_id: Option<String>,
    /// Likewise.
    #[schema(required = false, example = "")]
    client_secret: Option<String>,
}

/// A token or a key to take back.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "documents a form that is read by hand")]
pub(super) struct RevokeForm {
    /// The access token, or a raw key.
    #[schema(example = "eyJhbGciOiJFUzI1NiIs...")]
    token: String,
    /// Taken and not needed.
    #[schema(required = false, example = "access_token")]
    token_type_hint: Option<String>,
    /// The API Key's id or name; not needed.
    #[schema(required = false, example = "")]
    client_id: Option<String>,
    /// Its secret; not needed.
    #[schema(required = false, example = "")]
    client_secret: Option<String>,
}

/// Everything that the token endpoint answers.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "documents answers that are rendered elsewhere")]
pub(super) enum TokenAnswers {
    /// A signed access token.
    #[response(status = 200, example = json!({"access_token": "eyJhbGciOiJFUzI1NiIs...", "token_type": "Bearer", "expires_in": 3600,
        "scope": "invoices.read invoices.write"}))]
    Issued(OAuthTokenResponse),
    /// `invalid_request`, also for a subject token that is not good (RFC 8693, section 2.2.2), `unsupported_grant_type`, `invalid_scope`,
    /// `invalid_target`. `reason` says what exactly, such as `key_expired` or `organization_out_of_reach`.
    #[response(status = 400, example = json!({"error": "invalid_scope", "reason": "nothing_granted",
        "error_description": "this key's roles give no permission in that organization for this API; name another API if it is for one, or ask an Owner there for a role",
        "message": "this key's roles give no permission in that organization for this API; name another API if it is for one, or ask an Owner there for a role"}))]
    BadRequest(ErrorBody),
    /// `invalid_client`: nobody said who asks, or the API Key is unknown or dead; `reason` is as at the exchange endpoints, such as `key_revoked`.
    #[response(status = 401, headers(("WWW-Authenticate" = String, description = "`Basic realm=\"keywright\"`.")),
        example = json!({"error": "invalid_client", "reason": "key_suspended",
        "error_description": "this key has been suspended since 2026-11-24T09:00:00.000Z; an Owner of its organization can resume it",
        "message": "this key has been suspended since 2026-11-24T09:00:00.000Z; an Owner of its organization can resume it"}))]
    Refused(ErrorBody),
    /// The body is not a form.
    #[response(status = 415, example = json!({"error": "unsupported_media_type",
        "error_description": "send a form: Content-Type: application/x-www-form-urlencoded and a body such as grant_type=client_credentials&client_id=acme-ci&client_secret=kw_api_...",
        "message": "send a form: Content-Type: application/x-www-form-urlencoded and a body such as grant_type=client_credentials&client_id=acme-ci&client_secret=kw_api_..."}))]
    NotAForm(ErrorBody),
    /// Too many keys from this address were refused, or this key or its organization comes too often. Try again after `Retry-After` seconds.
    #[response(status = 429, headers(("Retry-After" = i64, description = "Seconds to wait.")), example = json!({"error": "rate_limited",
        "error_description": "this key is exchanged too often; use each access token until it expires, and try again in a second",
        "message": "this key is exchanged too often; use each access token until it expires, and try again in a second"}))]
    Limited(ErrorBody),
}

/// What introspection and revocation answer besides success.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "documents answers that are rendered elsewhere")]
pub(super) enum QuestionAnswers {
    /// `invalid_request`, `unsupported_token_type`, `unauthorized_client` or `invalid_target`.
    #[response(status = 400, example = json!({"error": "invalid_request",
        "error_description": "the parameter token is missing or empty; send a form such as token=eyJhbGciOiJFUzI1NiIs...",
        "message": "the parameter token is missing or empty; send a form such as token=eyJhbGciOiJFUzI1NiIs..."}))]
    BadRequest(ErrorBody),
    /// `invalid_client`: whoever asks did not say who he is, or is not good any more.
    #[response(status = 401, headers(("WWW-Authenticate" = String, description = "`Basic realm=\"keywright\"`.")),
        example = json!({"error": "invalid_client",
        "error_description": "say who asks: an API Key's id or name and its secret by HTTP Basic, or as client_id and client_secret in the body",
        "message": "say who asks: an API Key's id or name and its secret by HTTP Basic, or as client_id and client_secret in the body"}))]
    Refused(ErrorBody),
    /// A key that is protected from being revoked.
    #[response(status = 409, example = json!({"error": "conflict",
        "error_description": "this key is protected from being revoked; set deleteProtection to false first, or suspend it",
        "message": "this key is protected from being revoked; set deleteProtection to false first, or suspend it"}))]
    Protected(ErrorBody),
    /// The body is not a form.
    #[response(status = 415, example = json!({"error": "unsupported_media_type",
        "error_description": "send a form: Content-Type: application/x-www-form-urlencoded and a body such as token=eyJhbGciOiJFUzI1NiIs...",
        "message": "send a form: Content-Type: application/x-www-form-urlencoded and a body such as token=eyJhbGciOiJFUzI1NiIs..."}))]
    NotAForm(ErrorBody),
    /// Too many keys from this address were refused. Try again after `Retry-After` seconds.
    #[response(status = 429, headers(("Retry-After" = i64, description = "Seconds to wait.")), example = json!({"error": "rate_limited",
        "error_description": "too many keys from your address were refused; this limit is the address's, so good keys from it wait too: correct the one that is wrong, and try again in 6 seconds",
        "message": "too many keys from your address were refused; this limit is the address's, so good keys from it wait too: correct the one that is wrong, and try again in 6 seconds"}))]
    Limited(ErrorBody),
}

/// What every route with a form answers besides.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "documents answers that are rendered elsewhere")]
pub(super) enum AlwaysAnswers {
    /// The body is longer than 16 KiB.
    #[response(status = 413, example = json!({"error": "request_too_large",
        "error_description": "the body is longer than 16384 bytes, which is the limit here",
        "message": "the body is longer than 16384 bytes, which is the limit here"}))]
    TooLarge(ErrorBody),
    /// Something broke here; tell the operator the `X-Request-Id`.
    #[response(status = 500, example = json!({"error": "server_error",
        "error_description": "something went wrong here; if it happens again, tell the operator the X-Request-Id of this answer",
        "message": "something went wrong here; if it happens again, tell the operator the X-Request-Id of this answer"}))]
    Broken(ErrorBody),
    /// It cannot be decided at the moment, which says nothing about keys and tokens. Try again after `Retry-After` seconds.
    #[response(status = 503, example = json!({"error": "temporarily_unavailable",
        "error_description": "the database does not answer at the moment; try again in a second",
        "message": "the database does not answer at the moment; try again in a second"}))]
    Unavailable(ErrorBody),
}
