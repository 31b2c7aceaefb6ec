//! Parts of lists. The database cuts them, so that a long list costs no more than what is asked of it.

use keywright_db::Value;

/// Which rows of a list are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    limit: i64,
    offset: i64,
}

impl Part {
    /// The whole list.
    pub const ALL: Self = Self { limit: i64::MAX, offset: 0 };

    /// A page of `size` rows, counted from 1.
    #[must_use]
    pub fn page(number: u32, size: u32) -> Self {
        Self { limit: size.into(), offset: i64::from(number.saturating_sub(1)).saturating_mul(size.into()) }
    }

    /// What is left of it for a second list, behind a first one of `length` rows.
    pub(crate) fn after(self, length: i64) -> Self {
        let taken = length.saturating_sub(self.offset).clamp(0, self.limit);
        Self { limit: self.limit - taken, offset: self.offset.saturating_sub(length).max(0) }
    }

    /// For `LIMIT` and `OFFSET`.
    pub(crate) fn values(self) -> [Value; 2] {
        [self.limit.into(), self.offset.into()]
    }
}

/// Rows of a list, and how many it has in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows that were asked for.
    pub rows: Vec<T>,
    /// How many there are on all pages.
    pub total: i64,
}

impl<T> Page<T> {
    /// The same rows as something else.
    #[must_use]
    pub fn map<U>(self, into: impl FnMut(T) -> U) -> Page<U> {
        Page { rows: self.rows.into_iter().map(into).collect(), total: self.total }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_goes_on_in_the_second_list_where_the_first_one_ends() {
        for (limit, offset, length, expected) in [
            (10, 0, 0, (10, 0)),
            (10, 0, 4, (6, 0)),
            (10, 0, 10, (0, 0)),
            (10, 0, 90, (0, 0)),
            (10, 5, 7, (8, 0)),
            (10, 20, 7, (10, 13)),
            (i64::MAX, 0, 7, (i64::MAX - 7, 0)),
        ] {
            let left = Part { limit, offset }.after(length);
            assert_eq!((left.limit, left.offset), expected, "{limit} from {offset} behind {length}");
        }
    }

    #[test]
    fn pages_begin_at_one_and_none_overflows() {
        assert_eq!(Part::page(1, 200), Part { limit: 200, offset: 0 });
        assert_eq!(Part::page(3, 25), Part { limit: 25, offset: 50 });
        assert_eq!(Part::page(0, 25), Part { limit: 25, offset: 0 });
        assert_eq!(Part::page(u32::MAX, u32::MAX).offset, i64::MAX);
    }
}
