//! Which part of a list is asked for.

use super::rows;
use crate::Error;

const MAX_PAGE_SIZE: i64 = 200;
const DEFAULT_PAGE_SIZE: i64 = 25;
const MAX_SEARCH_CHARS: usize = 128;

/// Everything, unless the query says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    page: Option<i64>,
    size: Option<i64>,
    search: Option<String>,
}

impl Listing {
    /// From the pairs of a query. Names are compared without regard to case, an empty value is none, other names are ignored.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a value that is none, or a name that stands there twice.
    pub(crate) fn from_query(pairs: Vec<(String, String)>) -> Result<Self, Error> {
        let mut listing = Self::default();
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            let before = match name.to_ascii_lowercase().as_str() {
                "page" => listing.page.replace(number("Page", &value, i64::from(i32::MAX))?).is_some(),
                "size" => listing.size.replace(number("Size", &value, MAX_PAGE_SIZE)?).is_some(),
                "search" => listing.search.replace(search(value)?).is_some(),
                _ => false,
            };
            if before {
                return Err(Error::Invalid("Page, Size and search may each stand in the query once; leave the others out".to_owned()));
            }
        }
        Ok(listing)
    }

    /// A page of the longest, where everything was asked for.
    pub(crate) fn of_a_page_at_most(mut self) -> Self {
        if self.page.is_none() {
            self.size.get_or_insert(MAX_PAGE_SIZE);
        }
        self
    }

    /// For SQL's LIKE with `\` as escape character, on folded names.
    pub(super) fn pattern(&self) -> String {
        let mut pattern = String::from("%");
        for letter in rows::fold(self.search.as_deref().unwrap_or_default()).chars() {
            if matches!(letter, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        pattern.push('%');
        pattern
    }

    pub(crate) fn limit(&self) -> i64 {
        match (self.page, self.size) {
            (None, None) => i64::MAX,
            (Some(_), None) => DEFAULT_PAGE_SIZE,
            (_, Some(size)) => size,
        }
    }

    pub(crate) fn offset(&self) -> i64 {
        self.page.map_or(0, |page| (page - 1).saturating_mul(self.limit()))
    }
}

fn number(name: &str, value: &str, max: i64) -> Result<i64, Error> {
    let number = value.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| Error::Invalid(format!("{name} must be a whole number from 1 to {max}; send for example {name}=1")))
}

fn search(value: String) -> Result<String, Error> {
    if value.chars().count() > MAX_SEARCH_CHARS || value.chars().any(char::is_control) {
        return Err(Error::Invalid(format!("search must have at most {MAX_SEARCH_CHARS} characters and no control characters; send a part of the name")));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(pairs: &[(&str, &str)]) -> Result<Listing, Error> {
        Listing::from_query(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn without_a_query_everything_is_asked_for() {
        let all = listing(&[("page", ""), ("other", "1")]).unwrap();
        assert_eq!((all.limit(), all.offset(), all.pattern().as_str()), (i64::MAX, 0, "%%"));
    }

    #[test]
    fn a_list_without_an_end_is_one_page() {
        let of = |pairs: &[(&str, &str)]| listing(pairs).unwrap().of_a_page_at_most().limit();
        assert_eq!([of(&[]), of(&[("Page", "2")]), of(&[("Size", "7")])], [200, 25, 7]);
    }

    #[test]
    fn pages_count_from_one_whatever_the_case_of_the_names() {
        let third = listing(&[("PAGE", "3"), ("size", "7")]).unwrap();
        assert_eq!((third.limit(), third.offset()), (7, 14));
        let second = listing(&[("Page", "2")]).unwrap();
        assert_eq!((second.limit(), second.offset()), (25, 25));
        assert_eq!(listing(&[("Size", "9")]).unwrap().offset(), 0);
    }

    #[test]
    fn a_search_has_no_wildcards() {
        assert_eq!(listing(&[("search", r"A%b_\Ü")]).unwrap().pattern(), r"%a\%b\_\\ü%");
    }

    #[test]
    fn other_values_are_refused() {
        let long = "x".repeat(129);
        for pair in
            [("Page", "0"), ("Page", "-1"), ("Page", "1.5"), ("Page", "99999999999"), ("Size", "201"), ("Size", "x"), ("search", &long), ("search", "a\0b")]
        {
            assert!(matches!(listing(&[pair]), Err(Error::Invalid(_))), "{pair:?}");
        }
        assert!(matches!(listing(&[("Page", "1"), ("page", "1")]), Err(Error::Invalid(_))));
    }
}
