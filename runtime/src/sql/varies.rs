//! Whether the same text may answer differently although nothing was written.

use super::tokens::{Token, Tokens};

/// Functions whose answer is another one each time.
const FUNCTIONS: [&str; 18] = [
    "RANDOM",
    "RAND",
    "RANDOMBLOB",
    "RANDOM_NORMAL",
    "RANDOM_BYTES",
    "GEN_RANDOM_UUID",
    "GEN_RANDOM_BYTES",
    "UUID",
    "UUID_SHORT",
    "UUID_GENERATE_V4",
    "UUIDV4",
    "UUIDV7",
    "NEXTVAL",
    "SETVAL",
    "CLOCK_TIMESTAMP",
    "TIMEOFDAY",
    "SYSDATE",
    "CHANGES",
];

/// Functions that return rows and depend on their arguments alone, by the beginnings of their names.
const OF_THEIR_ARGUMENTS: [&str; 9] = [
    "GENERATE_",
    "UNNEST",
    "JSON_",
    "JSONB_",
    "REGEXP_",
    "STRING_TO_",
    "XMLTABLE",
    "ROWS",
    "PRAGMA_",
];

/// Whether another call of the text, with the same arguments, may have another answer although no table was written: it asks
/// for chance or for the next number, it takes rows that nobody else has locked, or it reads from a function, which may
/// write.
pub(crate) fn varies(sql: &str) -> bool {
    // The two words or signs before, latest first.
    let mut before = [const { String::new() }; 2];
    for token in Tokens::new(sql) {
        let word = match token {
            Token::Word(word) => word.to_ascii_uppercase(),
            Token::Punct(sign) => sign.to_string(),
            Token::Quoted(_) | Token::Literal(_) => "'".to_owned(),
        };
        let [previous, second] = &before;
        let name = |word: &str| word.rsplit('.').next().unwrap_or_default().to_owned();
        let is_called = word == "(" && FUNCTIONS.contains(&&*name(previous));
        let is_read_from = word == "(" && matches!(&**second, "FROM" | "JOIN" | "LATERAL") && {
            let function = name(previous);
            function.starts_with(|first: char| first.is_alphabetic())
                && function != "LATERAL"
                && !OF_THEIR_ARGUMENTS
                    .iter()
                    .any(|one| function.starts_with(one))
        };
        let skips = word == "LOCKED" && previous == "SKIP" || word == "NOWAIT";
        let is_sampled = word == "TABLESAMPLE" || word == "VALUE" && previous == "NEXT";
        if is_called || is_read_from || skips || is_sampled {
            return true;
        }
        before.rotate_right(1);
        before[0] = word;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::varies;

    #[test]
    fn chance_and_queues_vary() {
        for sql in [
            "SELECT name FROM exam ORDER BY random() LIMIT 1",
            "SELECT name FROM exam ORDER BY RAND () LIMIT 1",
            "SELECT id, pg_catalog.gen_random_uuid() FROM exam",
            "SELECT nextval('exam_id') FROM exam",
            "SELECT NEXT VALUE FOR exam_id FROM exam",
            "SELECT * FROM exam TABLESAMPLE SYSTEM (10)",
            "SELECT id FROM job LIMIT 1 FOR UPDATE SKIP LOCKED",
            "SELECT id FROM job FOR UPDATE NOWAIT",
            "SELECT * FROM claim_job($1)",
            "SELECT * FROM queue.claim_job('x') AS job",
            "SELECT * FROM exam JOIN LATERAL claim_job(exam.id) ON true",
        ] {
            assert!(varies(sql), "{sql}");
        }
    }

    #[test]
    fn tables_do_not_vary() {
        for sql in [
            "SELECT name FROM exam WHERE id = $1",
            "SELECT random, rand FROM exam WHERE uuid = ?",
            "SELECT lower(name) FROM exam WHERE id IN (SELECT id FROM line)",
            "SELECT * FROM (SELECT * FROM exam) AS x",
            "SELECT * FROM exam JOIN (line JOIN device USING (id)) USING (id)",
            "SELECT * FROM exam, generate_series(1, 3)",
            "SELECT value FROM json_each(?)",
            "SELECT EXTRACT(YEAR FROM (at)) FROM exam",
            "SELECT 'random()' FROM exam -- random()",
            "SELECT * FROM exam FOR UPDATE",
        ] {
            assert!(!varies(sql), "{sql}");
        }
    }
}
