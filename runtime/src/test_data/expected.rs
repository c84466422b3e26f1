//! The number of statements that a test expects.

use std::fmt;
use std::ops::{Range, RangeFrom, RangeInclusive, RangeTo, RangeToInclusive};

/// What `assert_queries!` takes as the expected number of statements: a number, or a range of numbers.
///
/// | written | is |
/// | --- | --- |
/// | `3` | exactly 3 |
/// | `..=5`, `..6` | at most 5 |
/// | `2..=4`, `2..5` | 2 to 4 |
/// | `2..` | at least 2 |
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a number of statements",
    label = "`assert_queries!` takes a number or a range: `3`, `..=5`, `2..=4`, `2..`",
    note = "the numbers are `u64`; convert others, as in `ids.len() as u64`"
)]
pub trait Expected: sealed::Sealed {
    /// The numbers that are expected.
    #[doc(hidden)]
    fn bounds(self) -> Bounds;
}

mod sealed {
    pub trait Sealed {}
}

/// The numbers from `least` to `most`. If `most` is below `least`, there is none.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    least: u64,
    most: u64,
}

impl Bounds {
    const fn between(least: u64, most: u64) -> Self {
        Self { least, most }
    }

    /// A range without its end: `..0` and `0..0` have no number.
    fn below(least: u64, end: u64) -> Self {
        match end.checked_sub(1) {
            Some(most) => Self::between(least, most),
            None => Self::between(1, 0),
        }
    }
}

impl sealed::Sealed for u64 {}

impl Expected for u64 {
    fn bounds(self) -> Bounds {
        Bounds::between(self, self)
    }
}

impl sealed::Sealed for RangeInclusive<u64> {}

impl Expected for RangeInclusive<u64> {
    fn bounds(self) -> Bounds {
        Bounds::between(*self.start(), *self.end())
    }
}

impl sealed::Sealed for RangeToInclusive<u64> {}

impl Expected for RangeToInclusive<u64> {
    fn bounds(self) -> Bounds {
        Bounds::between(0, self.end)
    }
}

impl sealed::Sealed for RangeFrom<u64> {}

impl Expected for RangeFrom<u64> {
    fn bounds(self) -> Bounds {
        Bounds::between(self.start, u64::MAX)
    }
}

impl sealed::Sealed for Range<u64> {}

impl Expected for Range<u64> {
    fn bounds(self) -> Bounds {
        Bounds::below(self.start, self.end)
    }
}

impl sealed::Sealed for RangeTo<u64> {}

impl Expected for RangeTo<u64> {
    fn bounds(self) -> Bounds {
        Bounds::below(0, self.end)
    }
}

#[cfg_attr(
    not(feature = "track"),
    expect(dead_code, reason = "nothing is compared without `track`")
)]
impl Bounds {
    /// Why no test can fail for them, or none can pass; `None` if they are of use.
    pub(crate) fn objection(self) -> Option<&'static str> {
        if self.most < self.least {
            Some("the expected range is empty, so no number of statements is in it")
        } else if self.least == 0 && self.most == u64::MAX {
            Some("every number of statements is in the expected range, so the test cannot fail")
        } else {
            None
        }
    }

    pub(crate) fn contain(self, number: u64) -> bool {
        (self.least..=self.most).contains(&number)
    }

    pub(crate) fn are_above(self, number: u64) -> bool {
        number < self.least
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (least, u64::MAX) => write!(f, "at least {least}"),
            (least, most) if least == most => write!(f, "{least}"),
            (0, most) => write!(f, "at most {most}"),
            (least, most) => write!(f, "{least} to {most}"),
        }
    }
}

#[cfg(all(test, feature = "track"))]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expected: impl Expected, text: &str, inside: &[u64], outside: &[u64]) {
        let bounds = expected.bounds();
        assert_eq!(bounds.to_string(), text);
        assert_eq!(bounds.objection(), None);
        assert!(inside.iter().all(|number| bounds.contain(*number)));
        assert!(!outside.iter().any(|number| bounds.contain(*number)));
    }

    #[test]
    fn numbers_and_ranges() {
        check(0, "0", &[0], &[1]);
        check(3, "3", &[3], &[2, 4]);
        check(..=5, "at most 5", &[0, 5], &[6]);
        check(..6, "at most 5", &[0, 5], &[6]);
        check(..1, "0", &[0], &[1]);
        check(2..=4, "2 to 4", &[2, 3, 4], &[1, 5]);
        check(2..5, "2 to 4", &[2, 3, 4], &[1, 5]);
        check(2..=2, "2", &[2], &[1, 3]);
        check(2.., "at least 2", &[2, u64::MAX], &[0, 1]);
    }

    #[test]
    #[expect(clippy::reversed_empty_ranges, reason = "they are refused")]
    fn nonsense_is_refused() {
        for bounds in [
            (4..=2).bounds(),
            (3..3).bounds(),
            (0..0).bounds(),
            (..0).bounds(),
        ] {
            assert!(bounds.objection().expect("empty").contains("empty"));
        }
        for bounds in [(0..).bounds(), (..=u64::MAX).bounds()] {
            assert!(bounds.objection().expect("all").contains("cannot fail"));
        }
    }
}
