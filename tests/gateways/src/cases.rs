//! The table: what is sent, and what comes of it. `{name}` in a header is a credential of that name.

use crate::proxies::{Asks, Gateway, Kind};

/// What came of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// The API got it.
    Passed,
    /// 401.
    Unauthenticated,
    /// 403, or whatever else a gateway answers to what it does not take: 400, 404, 405, 414.
    Refused,
    /// It cannot be decided, or not now.
    Undecided,
}
use Verdict::{Passed, Refused, Unauthenticated};

/// A row.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Method and target, as they stand in the request.
    pub(crate) request: &'static str,
    /// Headers, one a line.
    pub(crate) headers: &'static str,
    /// Of the gateways that ask.
    asking: Verdict,
    /// Of those that ask the sidecar, which takes no keys, where that differs.
    sidecar: Option<Verdict>,
    /// Of HAProxy by itself, where that differs.
    haproxy: Option<Verdict>,
    /// Of Apache by itself, where that differs.
    apache: Option<Verdict>,
    /// Of Apache by introspection, where that differs.
    introspection: Option<Verdict>,
    /// Of nginx, whoever it asks, where that differs: what it answers before it asks.
    nginx: Option<Verdict>,
}

impl Case {
    /// What it must be at a gateway.
    pub(crate) fn expected(&self, gateway: &Gateway) -> Verdict {
        let differing = match (gateway.kind, gateway.asks) {
            (Kind::HaproxyOffline, _) => self.haproxy,
            (Kind::ApacheOffline, _) => self.apache,
            (Kind::ApacheAsking, _) => self.introspection,
            (Kind::Nginx, _) if self.nginx.is_some() => self.nginx,
            (Kind::Nginx | Kind::Caddy | Kind::HaproxyLua, Asks::Sidecar) => self.sidecar,
            (Kind::Nginx | Kind::Caddy | Kind::HaproxyLua, Asks::Server | Asks::Introspection | Asks::Nobody) => None,
        };
        differing.unwrap_or(self.asking)
    }

    /// Whose name the API must be told.
    pub(crate) fn holder(&self) -> Option<&'static str> {
        let (_, rest) = self.headers.split_once('{')?;
        rest.split_once('}').map(|(name, _)| name)
    }

    /// Those that decide by themselves say something else.
    const fn offline(self, verdict: Verdict) -> Self {
        Self { haproxy: Some(verdict), apache: Some(verdict), ..self }
    }

    const fn apache(self, verdict: Verdict) -> Self {
        Self { apache: Some(verdict), ..self }
    }

    const fn introspection(self, verdict: Verdict) -> Self {
        Self { introspection: Some(verdict), ..self }
    }

    const fn nginx(self, verdict: Verdict) -> Self {
        Self { nginx: Some(verdict), ..self }
    }

    const fn sidecar(self, verdict: Verdict) -> Self {
        Self { sidecar: Some(verdict), ..self }
    }
}

const fn case(name: &'static str, request: &'static str, headers: &'static str, asking: Verdict) -> Case {
    Case { name, request, headers, asking, sidecar: None, haproxy: None, apache: None, introspection: None, nginx: None }
}

const READER: &str = "Authorization: Bearer {reader}";

/// With access tokens.
pub(crate) const TOKENS: &[Case] = &[
    // Who may.
    case("a reader reads", "GET /invoices", READER, Passed),
    case("a reader reads one", "GET /invoices/42", READER, Passed),
    case("a reader asks for the head alone", "HEAD /invoices/42", READER, Passed),
    case("a reader reads with a query", "GET /invoices?page=2&q=a//b/../c", READER, Passed),
    case("a writer writes", "POST /invoices", "Authorization: Bearer {writer}", Passed),
    case("a writer changes", "PUT /invoices/42", "Authorization: Bearer {writer}", Passed),
    case("an Owner writes", "POST /invoices", "Authorization: Bearer {owner}", Passed),
    case("an API Key's token reads", "GET /invoices", "Authorization: Bearer {ci}", Passed),
    case("another organization's reader reads his own", "GET /invoices", "Authorization: Bearer {foreign}", Passed),
    case("the scheme in small letters", "GET /invoices", "Authorization: bearer {reader}", Passed),
    case("the token without a scheme", "GET /invoices", "Authorization: {reader}", Passed).offline(Unauthenticated).introspection(Unauthenticated),
    case("a writer in an area of one permission", "DELETE /admin/a/b", "Authorization: Bearer {writer}", Passed).offline(Refused).introspection(Refused),
    // Who may not.
    case("a reader writes", "POST /invoices", READER, Refused),
    case("a reader changes", "PUT /invoices/42", READER, Refused),
    case("a reader in the writers' area", "GET /admin/a", READER, Refused),
    case("an API Key's token writes", "POST /invoices", "Authorization: Bearer {ci}", Refused),
    case("a permission that nobody has", "GET /nobody", "Authorization: Bearer {owner}", Refused),
    case("a token for another API", "GET /bills", READER, Unauthenticated).offline(Refused).introspection(Refused),
    case("no route for the path", "GET /nothing", READER, Refused),
    case("no route for the root", "GET /", READER, Refused),
    case("no route for the method", "DELETE /invoices/42", "Authorization: Bearer {writer}", Refused),
    case("a method of one's own", "PURGE /invoices", "Authorization: Bearer {writer}", Refused),
    case("a preflight", "OPTIONS /invoices", "Origin: https://a.example\r\nAccess-Control-Request-Method: GET", Refused),
    // Nobody, and nobody any more.
    case("no credential", "GET /invoices", "", Unauthenticated),
    case("an empty header", "GET /invoices", "Authorization:", Unauthenticated),
    case("the scheme alone", "GET /invoices", "Authorization: Bearer", Unauthenticated),
    case("garbage", "GET /invoices", "Authorization: Bearer {garbage}", Unauthenticated),
    case("a name and a password", "GET /invoices", "Authorization: Basic dXNlcjpwdw==", Unauthenticated),
    case("another signature", "GET /invoices", "Authorization: Bearer {tampered}", Unauthenticated),
    case("another payload", "GET /invoices", "Authorization: Bearer {other-payload}", Unauthenticated),
    case("no algorithm", "GET /invoices", "Authorization: Bearer {none}", Unauthenticated),
    case("no algorithm, and a signature", "GET /invoices", "Authorization: Bearer {none-signed}", Unauthenticated),
    case("no signature", "GET /invoices", "Authorization: Bearer {unsigned}", Unauthenticated),
    case("a document that the issuer signed", "GET /invoices", "Authorization: Bearer {document}", Unauthenticated),
    case("an identity token", "GET /invoices", "Authorization: Bearer {identity}", Unauthenticated).apache(Refused),
    case("expired", "GET /invoices", "Authorization: Bearer {expired}", Unauthenticated),
    case("its key was revoked", "GET /invoices", "Authorization: Bearer {revoked}", Unauthenticated).offline(Passed),
    case("its API Key was revoked", "GET /invoices", "Authorization: Bearer {old-ci}", Unauthenticated).offline(Passed),
    case("its member was removed", "GET /invoices", "Authorization: Bearer {removed}", Unauthenticated).offline(Passed),
    case("its user was disabled", "GET /invoices", "Authorization: Bearer {disabled}", Unauthenticated).offline(Passed),
    case("its roles became less", "POST /invoices", "Authorization: Bearer {demoted}", Unauthenticated).offline(Passed),
    case("its organization was suspended", "GET /invoices", "Authorization: Bearer {suspended}", Unauthenticated).offline(Passed),
    case("a token in the query", "GET /invoices?access_token=x", "", Unauthenticated),
    case("two tokens", "GET /invoices", "Authorization: Bearer {reader}\r\nAuthorization: Bearer {writer}", Unauthenticated).nginx(Refused),
    case("two tokens in one header", "GET /invoices", "Authorization: Bearer {reader}, Bearer {writer}", Unauthenticated),
    case("a dead token before a good one", "POST /invoices", "Authorization: Bearer {revoked}\r\nAuthorization: Bearer {writer}", Unauthenticated)
        .nginx(Refused),
    case("a raw key where tokens are taken", "GET /invoices", "Authorization: Bearer {reader-key}", Unauthenticated).introspection(Refused),
    case("a raw key in its header where tokens are taken", "GET /invoices", "X-API-Key: {ci-key}", Unauthenticated).introspection(Refused),
    // Headers.
    case("another path named", "GET /admin/a", "X-Forwarded-Uri: /invoices\r\nAuthorization: Bearer {reader}", Refused),
    case("another method named", "POST /invoices", "X-Forwarded-Method: GET\r\nAuthorization: Bearer {reader}", Refused),
    case("the same path named", "GET /invoices", "X-Forwarded-Uri: /invoices\r\nAuthorization: Bearer {reader}", Passed),
    case("another path named twice", "GET /admin/a", "X-Forwarded-Uri: /invoices\r\nX-Forwarded-Uri: /invoices\r\nAuthorization: Bearer {reader}", Refused),
    case("another path named with underscores", "GET /admin/a", "X_Forwarded_Uri: /invoices\r\nAuthorization: Bearer {reader}", Refused),
    case("another host named", "GET /invoices", "X-Forwarded-Host: billing.example.com\r\nAuthorization: Bearer {reader}", Passed),
    case("X-Original-URI", "GET /invoices", "X-Original-URI: /admin/a\r\nAuthorization: Bearer {reader}", Refused),
    case("X-Original-URL", "GET /invoices", "X-Original-URL: /admin/a\r\nAuthorization: Bearer {reader}", Refused),
    case("X-Original-Method", "GET /invoices", "X-Original-Method: POST\r\nAuthorization: Bearer {reader}", Refused),
    case("X-Rewrite-URL", "GET /invoices", "X-Rewrite-URL: /admin/a\r\nAuthorization: Bearer {reader}", Refused),
    case("X-HTTP-Method-Override", "GET /invoices", "X-HTTP-Method-Override: POST\r\nAuthorization: Bearer {reader}", Refused),
    case("an identity of one's own", "GET /invoices", "X-Identity-JWT: chosen\r\nX-Keywright-Subject: chosen\r\nAuthorization: Bearer {reader}", Passed),
    case("roles of one's own", "POST /invoices", "X-Keywright-Roles: chosen writer owner\r\nAuthorization: Bearer {reader}", Refused),
    case("an identity with underscores", "GET /invoices", "X_Identity_JWT: chosen\r\nX_Keywright_Subject: chosen\r\nAuthorization: Bearer {reader}", Passed)
        .apache(Refused)
        .introspection(Refused),
    case("an identity and no token", "GET /invoices", "X-Identity-JWT: chosen\r\nX-Keywright-Subject: chosen", Unauthenticated),
    case("the identity to be dropped on the way", "GET /invoices", "Connection: X-Identity-JWT, X-Keywright-Subject\r\nAuthorization: Bearer {reader}", Passed),
    case("the token to be dropped on the way", "GET /invoices", "Connection: Authorization\r\nAuthorization: Bearer {reader}", Passed),
    case("the path to be dropped on the way", "GET /admin/a", "Connection: X-Forwarded-Uri\r\nAuthorization: Bearer {reader}", Refused),
    case("the key header with underscores", "GET /keys/a", "X_API_Key: {ci-key}", Unauthenticated).introspection(Refused).offline(Refused),
    // Paths.
    case("two slashes", "GET //invoices", READER, Refused),
    case("two slashes within", "GET /invoices//42", READER, Refused),
    case("two slashes at the end", "GET /invoices//", READER, Refused),
    case("a slash at the end", "GET /invoices/", READER, Refused),
    case("another case", "GET /Invoices", READER, Refused),
    case("up", "GET /invoices/../admin/a", READER, Refused),
    case("up to where he may", "GET /admin/../invoices", READER, Refused),
    case("up, in escapes", "GET /invoices/%2e%2e/admin/a", READER, Refused),
    case("up, half in escapes", "GET /invoices/.%2e/admin/a", READER, Refused),
    case("here", "GET /./invoices", READER, Refused),
    case("an escaped slash", "GET /invoices/..%2fadmin%2fa", READER, Refused),
    case("an escaped slash in a name", "GET /invoices/4%2F2", READER, Refused),
    case("an escaped backslash", "GET /invoices/..%5cadmin", READER, Refused),
    case("a backslash", "GET /invoices\\..\\admin", READER, Refused),
    case("a parameter of the path", "GET /invoices;a=b", READER, Refused),
    case("up, with a parameter", "GET /invoices/..;/admin/a", READER, Refused),
    case("an escaped semicolon", "GET /invoices/a%3bb", READER, Refused),
    case("an escaped NUL", "GET /invoices/42%00", READER, Refused),
    case("an escaped line feed", "GET /invoices/42%0a", READER, Refused),
    case("escaped twice", "GET /invoices/%252e%252e/admin", READER, Refused),
    case("an escaped hash", "GET /invoices%23", READER, Refused),
    case("an escaped question mark", "GET /invoices%3fa", READER, Refused),
    case("an escape that is none", "GET /invoices/%zz", READER, Refused),
    case("an escape that is cut off", "GET /invoices/a%2", READER, Refused),
    case("a letter in an escape", "GET /%69nvoices", READER, Passed).offline(Refused).introspection(Refused),
    case("a space in an escape", "GET /invoices/a%20b", READER, Passed).offline(Refused).introspection(Refused),
    case("another letter in an escape", "GET /invoices/%C3%BC", READER, Passed).offline(Refused).introspection(Refused),
    case("an overlong escape", "GET /invoices/%c0%ae%c0%ae", READER, Refused),
    case("dots in a name", "GET /invoices/a..b", READER, Passed),
];

/// With raw keys, where they are taken.
pub(crate) const KEYS: &[Case] = &[
    case("a Personal Access Key reads", "GET /keys/a", "Authorization: Bearer {reader-key}", Passed).sidecar(Unauthenticated).offline(Refused),
    case("the same without a scheme", "GET /keys/a", "Authorization: {reader-key}", Passed)
        .sidecar(Unauthenticated)
        .offline(Refused)
        .introspection(Unauthenticated),
    case("an API Key's secret reads", "GET /keys/a/b", "Authorization: Bearer {ci-key}", Passed).sidecar(Unauthenticated).offline(Refused),
    case("a secret in its own header reads", "GET /keys/a", "X-API-Key: {ci-key}", Passed).sidecar(Unauthenticated).offline(Refused),
    case("a Personal Access Key in it reads", "GET /keys/a", "X-API-Key: {reader-key}", Passed).sidecar(Unauthenticated).offline(Refused),
    case("a key writes", "POST /keys/a", "X-API-Key: {writer-key}", Passed).sidecar(Unauthenticated).offline(Refused),
    case("an access token will do too", "GET /keys/a", READER, Passed).offline(Refused),
    case("a key that reads writes", "POST /keys/a", "X-API-Key: {ci-key}", Refused).sidecar(Unauthenticated).offline(Refused),
    case("a revoked key", "GET /keys/a", "Authorization: Bearer {revoked-key}", Unauthenticated).offline(Refused),
    case("a revoked API Key", "GET /keys/a", "X-API-Key: {old-ci-key}", Unauthenticated).offline(Refused),
    case("an expired key", "GET /keys/a", "X-API-Key: {expired-key}", Unauthenticated).offline(Refused),
    case("a removed member's key", "GET /keys/a", "X-API-Key: {removed-key}", Unauthenticated).offline(Refused),
    case("a disabled user's key", "GET /keys/a", "X-API-Key: {disabled-key}", Unauthenticated).offline(Refused),
    case("a suspended organization's key", "GET /keys/a", "X-API-Key: {suspended-key}", Unauthenticated).offline(Refused),
    case("a key that nobody has", "GET /keys/a", "X-API-Key: {unknown-key}", Unauthenticated).offline(Refused),
    case("half of a key", "GET /keys/a", "X-API-Key: {cut-off-key}", Unauthenticated).offline(Refused),
    case("a key and a token", "GET /keys/a", "X-API-Key: {ci-key}\r\nAuthorization: Bearer {reader}", Unauthenticated).offline(Refused).introspection(Refused),
    case("two keys", "GET /keys/a", "X-API-Key: {ci-key}\r\nX-API-Key: {ci-key}", Unauthenticated).offline(Refused),
    case("a dead key and a live one", "GET /keys/a", "X-API-Key: {old-ci-key}\r\nX-API-Key: {ci-key}", Unauthenticated).offline(Refused),
    case("a session", "GET /keys/a", "Authorization: Bearer {session}", Unauthenticated).offline(Refused),
    case("an operator key", "GET /keys/a", "Authorization: Bearer {operator-key}", Unauthenticated).offline(Refused),
    case("a token in the header for keys", "GET /keys/a", "X-API-Key: {reader}", Unauthenticated).offline(Refused).introspection(Passed),
    case("no credential", "GET /keys/a", "", Unauthenticated).offline(Refused),
    case("a key in the query", "GET /keys/a?api_key=x", "", Unauthenticated).offline(Refused),
    case("a key, and a path that goes up", "GET /keys/../admin/a", "X-API-Key: {writer-key}", Refused).offline(Refused),
    case("a key, and an identity of one's own", "GET /keys/a", "X-Identity-JWT: chosen\r\nX-API-Key: {ci-key}", Passed)
        .sidecar(Unauthenticated)
        .offline(Refused),
];
