//! Where things are, relative to the public URL.

/// Exchange of a Personal Access Key; the present form.
pub const TOKEN_V3: &str = "/auth/v3/token";
/// Exchange of a Personal Access Key; an older form.
pub const TOKEN_V2: &str = "/auth/v2/token";
/// Exchange of a Personal Access Key; the oldest form.
pub const TOKEN_V1: &str = "/auth/v1/token";
/// Exchange of an API Key.
pub const API_KEY_TOKEN: &str = "/auth/v1/api-key/token";
/// The token endpoint (RFC 6749, section 3.2).
pub const OAUTH_TOKEN: &str = "/oauth/token";
/// Token introspection (RFC 7662).
pub const OAUTH_INTROSPECT: &str = "/oauth/introspect";
/// Token revocation (RFC 7009).
pub const OAUTH_REVOKE: &str = "/oauth/revoke";
/// Who holds a token.
pub const OAUTH_USERINFO: &str = "/oauth/userinfo";
/// Metadata of the authorization server (RFC 8414).
pub const OAUTH_METADATA: &str = "/.well-known/oauth-authorization-server";
/// The same under OpenID Connect's name.
pub const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
/// Metadata of the identity API as a protected resource (RFC 9728).
pub const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource";
/// Where gateways ask.
pub const GATEWAY_CHECK: &str = "/gateway/v1/check";
/// Who holds a token. The realm is a word of the vendor's; any is accepted.
pub const USERINFO: &str = "/auth/realms/{realm}/protocol/openid-connect/userinfo";
/// The public keys (RFC 7517).
pub const JWKS: &str = "/.well-known/jwks.json";
/// The same as PEM, for gateways that read nothing else.
pub const JWKS_PEM: &str = "/.well-known/jwks.pem";
/// The signed catalog in force.
pub const CATALOG: &str = "/.well-known/keywright-catalog";
/// Status lists; a number follows.
pub const STATUS_LISTS: &str = "/status/v1/lists";
/// What was taken back since a position.
pub const STATUS_CHANGES: &str = "/status/v1/changes";
/// The same as a stream of server-sent events.
pub const STATUS_STREAM: &str = "/status/v1/stream";
/// How far readers of the stream have come.
pub const STATUS_REPORTS: &str = "/status/v1/reports";
/// The roles that can be given, as the contract's clients read them.
pub const ROLES: &str = "/roles.json";
/// Whether the process runs.
pub const HEALTH: &str = "/healthz";
/// Whether it can do its work.
pub const READY: &str = "/readyz";
/// Metrics in the OpenMetrics text format.
pub const METRICS: &str = "/metrics";
/// The API documentation page.
pub const OPENAPI_PAGE: &str = "/openapi/index.html";
/// The guide; the names of its pages follow.
pub const GUIDE: &str = "/docs";
