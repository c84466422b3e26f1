//! A part of a source file.

/// A part of a file: from one position, inclusive, to another, exclusive. A position is a line and a column, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    from: [u32; 2],
    to: [u32; 2],
}

impl Extent {
    pub(crate) const fn new(from: [u32; 2], to: [u32; 2]) -> Self {
        Self { from, to }
    }

    pub(crate) fn begins_at(self) -> [u32; 2] {
        self.from
    }

    pub(crate) fn contains(self, line: u32, column: u32) -> bool {
        (self.from..self.to).contains(&[line, column])
    }
}

#[cfg(test)]
mod tests {
    use super::Extent;

    #[test]
    fn an_extent_ends_before_its_end() {
        let extent = Extent::new([2, 5], [4, 3]);
        for (line, column) in [(2, 5), (2, 900), (3, 1), (4, 2)] {
            assert!(extent.contains(line, column), "{line}:{column}");
        }
        for (line, column) in [(1, 900), (2, 4), (4, 3), (5, 1)] {
            assert!(!extent.contains(line, column), "{line}:{column}");
        }
    }
}
