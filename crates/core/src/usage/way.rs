//! The ways in: by which endpoint a key came, and how the field that it stood in was spelled.

/// A way in. There are no others, so that whoever counts by it keeps few counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// A Personal Access Key, by the present endpoint.
    V3(Spelling),
    /// By an older one.
    V2(Spelling),
    /// By the oldest one.
    V1(Spelling),
    /// An API Key.
    ApiKey,
    /// An API Key as an OAuth client's credentials.
    ClientCredentials,
    /// A key, or an access token of one, as what a token exchange is about.
    SubjectToken,
    /// An API Key that says who asks, where no token is made from it.
    Client,
    /// A key that somebody asks about.
    Introspection,
    /// A key that came to a gateway.
    GatewayCheck,
    /// A program that calls this one in its own process.
    #[default]
    InProcess,
}

/// The name of the field that a Personal Access Key stood in. All are taken by all endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spelling {
    /// `personalAccessKey`, the present one.
    PersonalAccessKey,
    /// `pat`.
    Pat,
    /// `personal-access-key`.
    Hyphenated,
}

impl Spelling {
    /// All of them, the present one first.
    pub const ALL: [Self; 3] = [Self::PersonalAccessKey, Self::Pat, Self::Hyphenated];

    /// The field's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PersonalAccessKey => "personalAccessKey",
            Self::Pat => "pat",
            Self::Hyphenated => "personal-access-key",
        }
    }

    /// The one of a field's name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|spelling| spelling.as_str() == name)
    }
}

impl Way {
    /// As it is stored: the endpoint, and the field behind a space.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V3(Spelling::PersonalAccessKey) => "/auth/v3/token personalAccessKey",
            Self::V3(Spelling::Pat) => "/auth/v3/token pat",
            Self::V3(Spelling::Hyphenated) => "/auth/v3/token personal-access-key",
            Self::V2(Spelling::PersonalAccessKey) => "/auth/v2/token personalAccessKey",
            Self::V2(Spelling::Pat) => "/auth/v2/token pat",
            Self::V2(Spelling::Hyphenated) => "/auth/v2/token personal-access-key",
            Self::V1(Spelling::PersonalAccessKey) => "/auth/v1/token personalAccessKey",
            Self::V1(Spelling::Pat) => "/auth/v1/token pat",
            Self::V1(Spelling::Hyphenated) => "/auth/v1/token personal-access-key",
            Self::ApiKey => "/auth/v1/api-key/token secret",
            Self::ClientCredentials => "/oauth/token client_secret",
            Self::SubjectToken => "/oauth/token subject_token",
            Self::Client => "/oauth client_secret",
            Self::Introspection => "/oauth/introspect token",
            Self::GatewayCheck => "/gateway/v1/check",
            Self::InProcess => "in-process",
        }
    }

    /// Whether it has a successor, to which whoever comes by it should go.
    #[must_use]
    pub const fn is_old(self) -> bool {
        matches!(self, Self::V1(_) | Self::V2(_))
    }

    /// Whether a key is only judged, and no token made.
    #[must_use]
    pub const fn is_check(self) -> bool {
        matches!(self, Self::Client | Self::Introspection | Self::GatewayCheck)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keywright_protocol::paths;

    #[test]
    fn a_way_names_its_endpoint_and_its_field() {
        for spelling in Spelling::ALL {
            for (way, path) in [(Way::V3(spelling), paths::TOKEN_V3), (Way::V2(spelling), paths::TOKEN_V2), (Way::V1(spelling), paths::TOKEN_V1)] {
                assert_eq!(way.as_str(), format!("{path} {}", spelling.as_str()));
            }
            assert_eq!(Spelling::of(spelling.as_str()), Some(spelling));
        }
        assert_eq!(Way::ApiKey.as_str(), format!("{} secret", paths::API_KEY_TOKEN));
        assert_eq!(Way::ClientCredentials.as_str(), format!("{} client_secret", paths::OAUTH_TOKEN));
        assert_eq!(Way::SubjectToken.as_str(), format!("{} subject_token", paths::OAUTH_TOKEN));
        assert_eq!(Way::Introspection.as_str(), format!("{} token", paths::OAUTH_INTROSPECT));
        assert_eq!(Way::GatewayCheck.as_str(), paths::GATEWAY_CHECK);
    }
}
