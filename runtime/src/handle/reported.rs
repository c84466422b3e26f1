//! What was already reported about a handle.

/// What was already reported about a handle.
#[expect(clippy::struct_excessive_bools, reason = "one for each kind of report")]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reported {
    /// That the present stretch without activity is long.
    pub(crate) idle: bool,
    /// That some stretch without activity was long.
    pub(crate) idle_ever: bool,
    /// That the handle is held for too long.
    pub(crate) too_long: bool,
    /// That the handle is held in a deadlock.
    pub(crate) deadlock: bool,
    /// That the running statement is slow.
    pub(crate) slow: bool,
}

impl Reported {
    /// Forgets what was reported about the activity that ends now.
    pub(super) fn another_activity(&mut self) {
        self.idle = false;
        self.slow = false;
    }
}
