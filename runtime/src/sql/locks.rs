//! Whether a statement's text asks for a lock.

use super::tokens::{Token, Tokens};

/// What a text asks to lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    /// A name or number, by a function: `pg_advisory_lock`, `GET_LOCK`.
    Name,
    /// Whole tables: `LOCK TABLE`.
    Table,
    /// The rows that it selects: `FOR UPDATE`.
    Rows,
}

/// Functions that wait for a lock until they have it.
const FUNCTIONS: [&str; 5] = [
    "PG_ADVISORY_LOCK",
    "PG_ADVISORY_LOCK_SHARED",
    "PG_ADVISORY_XACT_LOCK",
    "PG_ADVISORY_XACT_LOCK_SHARED",
    "GET_LOCK",
];

/// What the text asks to lock, if it waits until it has the lock.
pub(crate) fn locks(sql: &str) -> Option<Lock> {
    let mut found = None;
    // The three words before, latest first. Empty at the beginning of a statement.
    let mut before = [const { String::new() }; 3];
    for token in Tokens::new(sql) {
        let word = match token {
            Token::Word(word) => word.to_ascii_uppercase(),
            Token::Punct(';') => {
                before = Default::default();
                continue;
            }
            Token::Punct(sign) => sign.to_string(),
            Token::Quoted(_) => "\"".to_owned(),
            Token::Literal(_) => continue,
        };
        let [last, second, third] = &before;
        let name = word.rsplit('.').next().unwrap_or_default();
        if FUNCTIONS.contains(&name) {
            found = Some(Lock::Name);
        } else if word == "LOCK" && last.is_empty() {
            found = Some(Lock::Table);
        } else if matches!(&*word, "UPDATE" | "SHARE")
            && (last == "FOR" || last == "KEY" && (second == "FOR" || third == "FOR"))
            || word == "MODE" && last == "SHARE" && second == "IN" && third == "LOCK"
        {
            found = found.or(Some(Lock::Rows));
        } else if word == "NOWAIT" || word == "LOCKED" && last == "SKIP" {
            return None;
        }
        before.rotate_right(1);
        before[0] = word;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_wait_for_a_lock() {
        let of = |texts: &[&str], lock: Lock| {
            for text in texts {
                assert_eq!(locks(text), Some(lock), "{text}");
            }
        };
        of(
            &[
                "SELECT pg_advisory_lock($1)",
                "select pg_catalog.pg_advisory_xact_lock(1, 2)",
                "SELECT GET_LOCK('migrations', 10)",
                "DO GET_LOCK('x', -1)",
            ],
            Lock::Name,
        );
        of(
            &[
                "LOCK TABLE exam IN ACCESS EXCLUSIVE MODE",
                "lock tables exam write",
                "LOCK exam",
                "SELECT 1; LOCK TABLE exam",
            ],
            Lock::Table,
        );
        of(
            &[
                "SELECT * FROM exam WHERE id = $1 FOR UPDATE",
                "SELECT * FROM exam FOR SHARE",
                "SELECT * FROM exam FOR NO KEY UPDATE OF exam",
                "SELECT * FROM exam FOR KEY SHARE",
                "SELECT * FROM exam LOCK IN SHARE MODE",
            ],
            Lock::Rows,
        );
    }

    #[test]
    fn texts_that_do_not() {
        for text in [
            "SELECT pg_try_advisory_lock(1)",
            "SELECT pg_advisory_unlock(1)",
            "SELECT RELEASE_LOCK('x'), IS_FREE_LOCK('x')",
            "SELECT * FROM exam FOR UPDATE NOWAIT",
            "SELECT * FROM exam FOR UPDATE SKIP LOCKED",
            "SELECT lock FROM exam",
            "SELECT 'FOR UPDATE', \"pg_advisory_lock\" FROM exam -- FOR UPDATE",
            "INSERT INTO exam VALUES (1) ON DUPLICATE KEY UPDATE id = 2",
            "INSERT INTO exam VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 2",
            "UPDATE exam SET name = 'x'",
            "ALTER TABLE exam ADD COLUMN a INT, LOCK=NONE",
            "",
        ] {
            assert_eq!(locks(text), None, "{text}");
        }
    }
}
