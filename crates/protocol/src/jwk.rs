//! Public signing keys as JSON Web Keys (RFC 7517, RFC 8037 for Ed25519).

use serde::{Deserialize, Serialize};

/// How a token is signed (RFC 7518, section 3.1; RFC 8037, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256; what every gateway knows.
    ES256,
    /// Ed25519.
    EdDSA,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits; for gateways that know nothing else.
    RS256,
}

impl Algorithm {
    /// As in the `alg` header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
            Self::RS256 => "RS256",
        }
    }

    /// From the `alg` header or a setting; anything else, `none` included, is `None`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "ES256" => Some(Self::ES256),
            "EdDSA" => Some(Self::EdDSA),
            "RS256" => Some(Self::RS256),
            _ => None,
        }
    }
}

/// What a signing key may sign. A key of one purpose signs nothing of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Access tokens.
    AccessToken,
    /// Public documents of the installation, such as the catalog.
    Document,
    /// Status lists, what their feed says, and receipts.
    StatusList,
    /// Identity tokens, which a gateway hands to what stands behind it.
    Identity,
}

impl Purpose {
    /// Every purpose: an installation has one active key for each.
    pub const ALL: [Self; 4] = [Self::AccessToken, Self::Document, Self::StatusList, Self::Identity];

    /// From what is stored and published.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == name)
    }

    /// As it is stored and published.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access-token",
            Self::Document => "document",
            Self::StatusList => "status-list",
            Self::Identity => "identity",
        }
    }
}

/// One public key. Which of the numeric members are there depends on `kty`: `EC` has `crv`, `x`, `y`; `OKP` has `crv`, `x`;
/// `RSA` has `n`, `e`. Numbers are base64url without padding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Jwk {
    /// Key type: `EC`, `OKP` or `RSA`.
    pub kty: String,
    /// The key's thumbprint (RFC 7638).
    pub kid: String,
    /// The algorithm it is used with.
    pub alg: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: String,
    /// What this key may sign; a member of our own, which others ignore (RFC 7517, section 4).
    #[serde(rename = "keywright_purpose", default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<Purpose>,
    /// Curve: `P-256` or `Ed25519`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// First coordinate, or the Ed25519 public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// Second coordinate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    /// RSA modulus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// RSA public exponent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
}

/// The public keys of an issuer (RFC 7517, section 5).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JwkSet {
    /// In no particular order.
    pub keys: Vec<Jwk>,
}
