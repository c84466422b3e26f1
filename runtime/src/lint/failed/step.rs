//! What the program does in a transaction that has failed.

use crate::site::tally::Tally;
use crate::source::place::Place;

/// What the program does in a transaction that has failed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    /// Is about to send a statement.
    Statement(&'static Tally),
    /// Is about to begin another transaction.
    Begin,
    /// Is about to set a savepoint.
    Savepoint,
    /// Is about to commit a savepoint.
    Release,
    /// Is about to commit.
    Commit,
    /// Has tried to commit.
    FailedCommit,
    /// Has tried to roll back.
    FailedRollback,
}

impl Step {
    /// Where the text of the step is sent.
    pub(crate) fn place(self) -> Option<Place> {
        match self {
            Step::Statement(tally) => tally.place(),
            _ => None,
        }
    }

    /// Whether it commits the transaction.
    pub(super) fn commits(self) -> bool {
        match self {
            Step::Statement(tally) => tally.commits(),
            Step::Commit | Step::FailedCommit => true,
            Step::Begin | Step::Savepoint | Step::Release | Step::FailedRollback => false,
        }
    }

    pub(super) fn does(self) -> String {
        match self {
            _ if self.commits() => "commits".to_owned(),
            Step::Statement(tally) => format!("sends `{}` in", tally.summary),
            Step::Begin => "begins another transaction inside".to_owned(),
            Step::Savepoint => "sets a savepoint in".to_owned(),
            Step::Release => "commits a savepoint in".to_owned(),
            Step::Commit | Step::FailedCommit => "commits".to_owned(),
            Step::FailedRollback => "rolls back".to_owned(),
        }
    }
}
