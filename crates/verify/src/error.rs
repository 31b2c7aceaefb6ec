//! Why a token is not accepted.

use crate::Need;
use keywright_protocol::secret::KeyKind;

/// Why a request's token is not accepted. The text of each is one sentence for whoever sent it; it says what to do and quotes
/// nothing of what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// There is no token.
    #[error("send an access token in the Authorization header")]
    Missing,
    /// The key itself was sent, where the token that one gets for it belongs.
    #[error("{}", raw_key_sentence(*.0))]
    RawKey(KeyKind),
    /// The header or the token is not of the form it must have.
    #[error("{0}")]
    Malformed(Malformation),
    /// Past its `exp`.
    #[error("the access token has expired; exchange the key for a new one")]
    Expired,
    /// Before its `nbf` or `iat`.
    #[error("the access token is not valid yet; compare the clocks of issuer and API")]
    NotYetValid,
    /// Another `iss`.
    #[error("the access token comes from another issuer; exchange a key where this API expects it")]
    WrongIssuer,
    /// Another `aud`.
    #[error("the access token is for another API; exchange the key for a token of this audience")]
    WrongAudience,
    /// Another `typ`.
    #[error("this is no access token: its `typ` is not `at+jwt`; send the `access_token` that the exchange answered")]
    WrongType,
    /// An `alg` that is not accepted, or not that of the key.
    #[error("the access token is signed in a way that is not accepted here; exchange the key for a new one")]
    Algorithm,
    /// The signature does not fit.
    #[error("the signature of the access token does not fit; it was changed on its way, copy or fetch it again")]
    Signature,
    /// The `kid` is none of the issuer's keys for access tokens.
    #[error("the access token is signed with a key that the issuer does not publish (any more); exchange the key for a new one")]
    UnknownKey,
    /// A claim is missing, doubled or of the wrong type.
    #[error("the claims of the access token are not as they must be: {0}")]
    Claims(&'static str),
    /// Taken back before its end: its key was revoked, or may do less now.
    #[error("the access token was taken back: it was given up, or its key or what that may do has changed; exchange the key for a new one")]
    Revoked,
    /// The issuer was asked, and says that it is not good; why is not told.
    #[error("the issuer says that this is not good any more, or never was; exchange the key for a new access token")]
    Inactive,
    /// Longer than [`MAX_TOKEN_BYTES`](crate::MAX_TOKEN_BYTES).
    #[error("the access token is longer than 8192 bytes; send the token alone")]
    TooLong,
    /// Something is not known that is needed: refresh the source and verify again, as
    /// [`Verifier::verify_refreshing`](crate::Verifier::verify_refreshing) does.
    #[error("more must be known of the issuer before this access token can be checked; try again")]
    NeedsRefresh(Need),
    /// What is needed of the issuer cannot be had at present. Says nothing about the token.
    #[error("access tokens cannot be checked at the moment; try again in a second")]
    Unavailable,
}

impl VerifyError {
    /// Whether nothing can be said about the token at present, which is no refusal of it.
    #[must_use]
    pub const fn is_outage(&self) -> bool {
        matches!(self, Self::NeedsRefresh(_) | Self::Unavailable)
    }

    /// The `error` of the `WWW-Authenticate` challenge (RFC 6750, section 3.1): `invalid_request` when the header itself is
    /// wrong, otherwise `invalid_token`. Empty where the challenge has none: for a request without a token, and when nothing
    /// can be said about it.
    #[must_use]
    pub const fn error_code(&self) -> &'static str {
        match self {
            Self::Missing | Self::NeedsRefresh(_) | Self::Unavailable => "",
            Self::Malformed(Malformation::SeveralHeaders | Malformation::Characters | Malformation::Scheme) => "invalid_request",
            Self::Malformed(Malformation::Parts | Malformation::Encoding | Malformation::Header | Malformation::KeyId)
            | Self::RawKey(_)
            | Self::Expired
            | Self::NotYetValid
            | Self::WrongIssuer
            | Self::WrongAudience
            | Self::WrongType
            | Self::Algorithm
            | Self::Signature
            | Self::UnknownKey
            | Self::Claims(_)
            | Self::Revoked
            | Self::Inactive
            | Self::TooLong => "invalid_token",
        }
    }
}

/// What is wrong with the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformation {
    /// More than one `Authorization` header.
    #[error("there is more than one Authorization header; send one")]
    SeveralHeaders,
    /// Something but visible ASCII.
    #[error("the Authorization header contains a character that no access token has; send the token alone")]
    Characters,
    /// Another scheme than `Bearer`, or several words.
    #[error("the Authorization header must be `Bearer` and an access token, or the token alone")]
    Scheme,
    /// Not three parts with dots between them.
    #[error("this is no access token: one has three parts with dots between them; send the `access_token` that the exchange answered")]
    Parts,
    /// A part is not canonical base64url without padding (RFC 7515, section 2).
    #[error("the access token is damaged: a part of it is not base64url; copy or fetch it again")]
    Encoding,
    /// The first part is not an object of exactly the strings `alg`, `kid` and `typ`.
    #[error("the header of the access token must have exactly the members alg, kid and typ; send a token of this issuer")]
    Header,
    /// A `kid` that is empty or longer than 64 bytes.
    #[error("the `kid` of the access token must have 1 to 64 bytes; send a token of this issuer")]
    KeyId,
}

impl From<Malformation> for VerifyError {
    fn from(what: Malformation) -> Self {
        Self::Malformed(what)
    }
}

fn raw_key_sentence(kind: KeyKind) -> String {
    let what = kind.with_article();
    match kind {
        KeyKind::PersonalAccessKey | KeyKind::ApiKey => format!("this is {what}, not an access token; exchange it first and send the `access_token` you get"),
        KeyKind::OperatorKey => {
            format!("this is {what}, which opens the identity API alone; send an access token, made from a Personal Access Key or an API Key")
        }
        KeyKind::Session => {
            format!("this is {what}, which opens the identity API alone; send an access token, which a session gives at /auth/v1/sessions/current/token")
        }
    }
}
