//! What was reported of a handle already.

use std::time::Instant;

/// What was reported of a handle already.
#[expect(clippy::struct_excessive_bools, reason = "one for each thing to tell")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    /// Of this stretch of doing nothing, that it is long.
    pub(crate) idle: bool,
    /// Of this handle, once or more.
    pub(crate) idle_ever: bool,
    pub(crate) too_long: bool,
    /// Of this handle, that it is held in a deadlock.
    pub(crate) stuck: bool,
    /// Of this statement, that it is slow.
    pub(crate) slow: bool,
    /// Rows of the open stream, and since when there are so many.
    pub(super) rows: Option<(u64, Instant)>,
}

impl Told {
    pub(super) fn another_activity(&mut self) {
        self.idle = false;
        self.slow = false;
        self.rows = None;
    }
}
