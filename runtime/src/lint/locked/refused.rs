//! What SQLite has refused, in words.

use crate::handle::begun::OpenTransaction;
use crate::site::tally::Tally;

/// What was refused.
#[derive(Clone, Copy)]
pub(crate) enum Refused {
    Statement(&'static Tally),
    Begin,
    Commit,
}

impl Refused {
    /// The text, if it was a statement.
    pub(super) fn tally(self) -> Option<&'static Tally> {
        match self {
            Self::Statement(tally) => Some(tally),
            Self::Begin | Self::Commit => None,
        }
    }

    /// Whether it was a commit, by value or as a text.
    pub(super) fn is_commit(self) -> bool {
        match self {
            Self::Commit => true,
            Self::Statement(tally) => tally.commits() && !tally.writes(),
            Self::Begin => false,
        }
    }

    /// What the program has done.
    pub(super) fn does(self, pool: Option<&str>) -> String {
        let pool_of = |word| pool.map_or_else(String::new, |pool| format!(" {word} pool {pool}"));
        match self {
            Self::Begin => format!("begins a transaction{}", pool_of("of")),
            _ if self.is_commit() => format!("commits a transaction{}", pool_of("of")),
            Self::Statement(tally) => format!("sends `{}`{}", tally.summary, pool_of("to")),
            Self::Commit => unreachable!("BUG: it is a commit"),
        }
    }

    /// What has become of the data.
    pub(super) fn outcome(self, transaction: Option<&OpenTransaction>) -> String {
        let tally = match self {
            Self::Begin => return "no transaction was begun".to_owned(),
            Self::Commit => {
                return "nothing of the transaction is saved: `commit` has consumed it, and sqlx rolls it back".to_owned();
            }
            Self::Statement(tally) => tally,
        };
        if self.is_commit() {
            return "nothing of the transaction is saved so far: if it is open still, COMMIT can be sent again"
                .to_owned();
        }
        let did = if has_several(tally) {
            "of the statements of this text, those before the refused one have run"
        } else if tally.writes() {
            "the statement has written nothing"
        } else {
            "the statement did not run"
        };
        match transaction {
            Some(_) => format!(
                "{did}; its transaction is still open, with everything that it has read and written before"
            ),
            None => did.to_owned(),
        }
    }
}

/// Whether the text has several statements, as far as a semicolon shows it.
fn has_several(tally: &Tally) -> bool {
    let text = tally.sql().trim_end();
    text.trim_end_matches(';').contains(';')
}
