//! A place in the source: file, line, column, and the function around it.

use std::fmt;
use std::panic::Location;

use super::function::Function;
use crate::finding::CallSite;

impl Function {
    /// The place of the function's name.
    pub(crate) fn place(&'static self) -> Place {
        let (line, column) = self.position();
        Place {
            file: self.file(),
            line,
            column,
            function: Some(self),
        }
    }
}

/// A place in the source.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) function: Option<&'static Function>,
}

impl Place {
    /// The place of code without `#[track]` that calls through sqlx.
    pub(crate) const UNKNOWN: Place = Place {
        file: "<code without #[track]>",
        line: 0,
        column: 0,
        function: None,
    };

    /// Whether it is in code that calls through sqlx, without `#[track]`.
    pub(crate) fn is_unknown(self) -> bool {
        self.is_same(Self::UNKNOWN)
    }

    /// Whether it is the same place in the source.
    pub(crate) fn is_same(self, other: Place) -> bool {
        (self.line, self.column, self.file) == (other.line, other.column, other.file)
    }

    /// The place of a location in `function`.
    pub(crate) fn at(
        location: &'static Location<'static>,
        function: Option<&'static Function>,
    ) -> Self {
        Self {
            file: location.file(),
            line: location.line(),
            column: location.column(),
            function,
        }
    }

    pub(crate) fn to_call_site(self) -> CallSite {
        CallSite::new(
            self.file,
            self.line,
            self.column,
            self.function.map(Function::name),
        )
        .word(self.word())
    }

    /// The word that the attribute has seen there.
    fn word(self) -> Option<&'static str> {
        let function = self.function.filter(|it| it.file() == self.file)?;
        function.word_at((self.line, self.column))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl From<Place> for CallSite {
    fn from(place: Place) -> Self {
        place.to_call_site()
    }
}
