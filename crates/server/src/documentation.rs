//! Where an answer is documented: the page, opened at the spec of the path that answered.

use crate::openapi::{Spec, SpecAt};
use utoipa::openapi::OpenApi;

/// The API page, and which of its specs has which paths.
#[derive(Debug, Clone)]
pub struct Documentation {
    page: String,
    otherwise: String,
    /// A path's first segment, and the spec that has such paths.
    specs: Vec<(String, String)>,
}

impl Documentation {
    /// On the page at this URL. A path that is in no spec that is added belongs to `otherwise`.
    #[must_use]
    pub fn new(page: impl Into<String>, otherwise: impl Into<String>) -> Self {
        Self { page: page.into(), otherwise: otherwise.into(), specs: Vec::new() }
    }

    /// With a spec that is served here; of two with the same paths the earlier one stays.
    #[must_use]
    pub fn with(mut self, spec: &Spec) -> Self {
        if let SpecAt::Here(document) = &spec.at {
            let own = segments(document).map(|segment| (segment.to_owned(), spec.name.clone()));
            self.specs.extend(own);
        }
        self
    }

    /// The name of the spec that a path belongs to.
    pub(crate) fn spec_of(&self, path: &str) -> &str {
        let known = first(path).and_then(|first| self.specs.iter().find(|(segment, _)| segment == first));
        known.map_or(&self.otherwise, |(_, name)| name)
    }

    /// The page, opened at a spec.
    pub(crate) fn url(&self, spec: &str) -> String {
        format!("{}?urls.primaryName={spec}", self.page)
    }
}

/// The first segments of a document's paths, in their order, each once as long as equal ones follow each other.
fn segments(document: &OpenApi) -> impl Iterator<Item = &str> {
    let mut last = None;
    document.paths.paths.keys().filter_map(|path| first(path)).filter(move |segment| last.replace(*segment) != Some(*segment))
}

fn first(path: &str) -> Option<&str> {
    path.split('/').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_the_spec_that_has_such_paths() {
        let identity = Spec { name: "identity".to_owned(), at: SpecAt::Here(Box::new(crate::openapi::identity())) };
        let billing = Spec { name: "billing".to_owned(), at: SpecAt::Url("https://api.example.com/openapi/billing.json".to_owned()) };
        let pages = Documentation::new("https://auth.example.com/openapi/index.html", "auth").with(&identity).with(&billing);
        for (path, spec) in [
            ("/identity/v1/me", "identity"),
            ("/identity/nothing", "identity"),
            ("/identityx", "auth"),
            ("/auth/v3/token", "auth"),
            ("/", "auth"),
            ("*", "auth"),
        ] {
            assert_eq!(pages.spec_of(path), spec, "{path}");
        }
    }
}
