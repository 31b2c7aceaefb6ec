//! Where an error is documented.

use crate::guide;
use keywright_protocol::ErrorBody;

/// What an error's `doc` leads to.
#[derive(Debug, Clone)]
pub enum Documentation {
    /// The guide of the server that calls itself so, at the error's code.
    Guide {
        /// `iss` of its tokens.
        issuer: String,
    },
    /// The API page, for a process that has no guide.
    ApiPage {
        /// Its URL, opened at a spec.
        url: String,
    },
}

impl Documentation {
    /// The API page at this URL, opened at a spec.
    #[must_use]
    pub fn api_page(page: &str, spec: &str) -> Self {
        Self::ApiPage { url: format!("{page}?urls.primaryName={spec}") }
    }

    /// Where an error is explained: by its `reason`, which says more than `error`, if it has one.
    #[must_use]
    pub fn url(&self, body: &ErrorBody) -> String {
        match self {
            Self::Guide { issuer } => guide::url_of_code(issuer, body.reason.as_deref().unwrap_or(&body.error)),
            Self::ApiPage { url } => url.clone(),
        }
    }
}
