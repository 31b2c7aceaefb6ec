//! How the checks are documented: gateways ask by any method, of which an OpenAPI document can show but single ones.

/// What a decision tells.
#[derive(utoipa::IntoResponses)]
#[expect(dead_code, reason = "documents answers that are rendered elsewhere")]
pub(crate) enum Decision {
    /// It may go on. The body is empty; `Authorization` and the header for keys are not to be handed on.
    #[response(status = 200, headers(
        ("X-Identity-JWT" = String, description = "A signed statement of who it is, for what stands behind the gateway: `typ` `identity+jwt`, verified by `/.well-known/jwks.json` (keys whose `keywright_purpose` is `identity`), `aud` that of the route, 60 seconds at most. Empty from `keywright verifier`, which signs nothing."),
        ("X-Keywright-Subject" = String, description = "The user's id, or the API Key's."),
        ("X-Keywright-Email" = String, description = "The user's address, or the generated identity of an API Key; empty if it is not ASCII."),
        ("X-Keywright-Organization" = String, description = "The organization that the credential is for."),
        ("X-Keywright-Key-Id" = String, description = "The key; for a session its id."),
        ("X-Keywright-Roles" = String, description = "Role keys there, with spaces between.")))]
    Allowed,
    /// No credential, or not a good one. The body is empty.
    #[response(status = 401, headers(
        ("X-Keywright-Reason" = String, description = "A stable code, such as `invalid_token`, `key_not_exchanged` or `key_revoked`."),
        ("X-Keywright-Message" = String, description = "One sentence that says what to do."),
        ("WWW-Authenticate" = String, description = "`Bearer`, with the reason (RFC 6750).")))]
    Unauthenticated,
    /// It may not: the permission lacks (`insufficient_permission`), no route has such a request (`no_route`), or two may read it differently
    /// (`ambiguous_path`, `ambiguous_header`, `ambiguous_host`, `ambiguous_method`); or whoever asks is no gateway (`unknown_peer`), or does not
    /// say of what (`forwarded_headers`). The body is empty.
    #[response(status = 403, headers(
        ("X-Keywright-Reason" = String, description = "A stable code."),
        ("X-Keywright-Message" = String, description = "One sentence that says what to do."),
        ("WWW-Authenticate" = String, description = "`Bearer`; for a permission that lacks with its id as `scope` (RFC 6750).")))]
    Forbidden,
    /// No decision: too often. The body is empty.
    #[response(status = 429, headers(
        ("X-Keywright-Status" = i64, description = "429, for gateways that tell 401 and 403 alone apart."),
        ("X-Keywright-Reason" = String, description = "`rate_limited`."),
        ("Retry-After" = i64, description = "Seconds to wait.")))]
    Limited,
    /// No decision: it cannot be made at the moment. The body is empty. Never let a request through on it.
    #[response(status = 503, headers(
        ("X-Keywright-Status" = i64, description = "503, for gateways that tell 401 and 403 alone apart."),
        ("X-Keywright-Reason" = String, description = "`temporarily_unavailable`."),
        ("Retry-After" = i64, description = "Seconds to wait.")))]
    Undecided,
}

#[utoipa::path(
    get,
    path = "/gateway/v1/check",
    tag = "Gateways",
    operation_id = "checkForwarded",
    summary = "Whether a request that a gateway names may go on",
    description = "By any method. The request that is asked about is named in `X-Forwarded-Method`, `X-Forwarded-Host` and `X-Forwarded-Uri`, each exactly once; its credential is that of this request. For nginx, Caddy, HAProxy and Traefik.",
    params(
        ("X-Forwarded-Method" = String, Header, description = "The method that is asked about.", example = "GET"),
        ("X-Forwarded-Host" = String, Header, description = "The host, with or without a port.", example = "invoices.example.com"),
        ("X-Forwarded-Uri" = String, Header, description = "The path, with or without a query, exactly as what stands behind the gateway gets it.", example = "/invoices/42?full=1")
    ),
    security(("token" = [])),
    responses(Decision)
)]
#[expect(dead_code, reason = "documents `check`")]
pub(crate) fn forwarded() {}

#[utoipa::path(
    get,
    path = "/gateway/v1/check/{path}",
    tag = "Gateways",
    operation_id = "checkItself",
    summary = "Whether this very request may go on",
    description = "By any method. What follows `/gateway/v1/check` is the path that is asked about, of as many segments as it has; method and `Host` are this request's own. For Envoy's HTTP `ext_authz`.",
    params(("path" = String, Path, description = "The path that is asked about.", example = "invoices/42")),
    security(("token" = [])),
    responses(Decision)
)]
#[expect(dead_code, reason = "documents `check`")]
pub(crate) fn itself() {}
