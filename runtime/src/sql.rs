//! A statement's operations and targets, as OpenTelemetry's `db.query.summary` wants them: `SELECT exam`,
//! `INSERT measurement SELECT exam`.
//!
//! A scanner, not a parser: it must never fail on a dialect's syntax, and it sees each text once.

#[cfg(test)]
mod properties;
mod tokens;

use tokens::{Token, Tokens};

/// What is told about a statement's text.
#[derive(Debug)]
pub(crate) struct Summary {
    /// Operations and targets, at most 255 bytes. Never a literal: from where databases differ in what is one, nothing is
    /// told.
    pub(crate) text: String,
    /// Whether it may change data or schema.
    pub(crate) writes: bool,
    pub(crate) schema: Schema,
    /// Whether rows that come back, or are reported as affected, can only be rows that it wrote: not those of a read that
    /// stands beside it, or of a procedure.
    pub(crate) writes_for_sure: bool,
    /// Whether it ends a transaction, by COMMIT or ROLLBACK.
    pub(crate) ends_transaction: bool,
}

/// What a statement does to the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Schema {
    Stays,
    /// By a temporary table: MySQL goes on with an open transaction.
    ChangesForAWhile,
    /// MySQL ends an open transaction before, by committing it.
    Changes,
}

/// The semantic conventions ask for a low cardinality and at most 255 characters.
const MAX_BYTES: usize = 255;

/// Words that begin an operation of their own wherever they stand.
const OPERATIONS: [&str; 8] = [
    "SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "CALL", "TRUNCATE",
];
/// Words whose object's kind belongs to the operation: `CREATE TABLE exam`.
const DDL: [&str; 3] = ["CREATE", "ALTER", "DROP"];
const DDL_OBJECTS: [&str; 12] = [
    "TABLE",
    "INDEX",
    "VIEW",
    "SCHEMA",
    "DATABASE",
    "TRIGGER",
    "FUNCTION",
    "PROCEDURE",
    "SEQUENCE",
    "TYPE",
    "ROLE",
    "EXTENSION",
];
/// Words that may stand between a clause and its target.
const FILLERS: [&str; 12] = [
    "IF",
    "NOT",
    "EXISTS",
    "ONLY",
    "LATERAL",
    "OR",
    "IGNORE",
    "INTO",
    "FROM",
    "TABLE",
    "LOW_PRIORITY",
    "CONCURRENTLY",
];
/// Words after which an operation's name is no operation: `FOR UPDATE`, `ON DELETE`, `DO UPDATE`, `KEY UPDATE`.
const NOT_AN_OPERATION_AFTER: [&str; 5] = ["FOR", "ON", "DO", "KEY", "OR"];

/// Summarises a statement's text.
pub(crate) fn summarise(sql: &str) -> Summary {
    let mut scan = Scan {
        out: String::new(),
        is_told: true,
        begun: false,
        writes: false,
        schema: Schema::Stays,
        schema_before: Schema::Stays,
        reads: false,
        ends_transaction: false,
        first: true,
        explained: false,
        wants_object: false,
        wants_target: false,
        parentheses: vec![Parenthesis::default()],
    };
    // The word or sign before; none where a statement begins, also in parentheses.
    let mut previous = String::new();
    let mut tokens = Tokens::new(sql);
    while let Some(token) = tokens.next() {
        scan.is_told &= !tokens.is_unsure();
        match token {
            Token::Word(word) => {
                let upper = word.to_ascii_uppercase();
                scan.word(word, &upper, &previous);
                previous = upper;
            }
            Token::Quoted(name) => {
                scan.name(name);
                previous = '"'.to_string();
            }
            Token::Punct(punct) => {
                match punct {
                    '(' => {}
                    ';' => previous.clear(),
                    _ => previous = punct.to_string(),
                }
                scan.punct(punct);
            }
        }
    }
    Summary {
        text: scan.out,
        writes: scan.writes,
        schema: scan.schema,
        writes_for_sure: scan.writes && !scan.reads,
        ends_transaction: scan.ends_transaction,
    }
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "where it stands in the text, and what it found"
)]
struct Scan {
    out: String,
    /// What is found belongs into `out`: that is not full, and the text is the same to every database so far.
    is_told: bool,
    /// An operation was found.
    begun: bool,
    writes: bool,
    schema: Schema,
    /// Without the statement that is being read.
    schema_before: Schema,
    /// A statement in it is a read, or something that may be one.
    reads: bool,
    ends_transaction: bool,
    /// The statement's own operation, outside of parentheses, is still to come.
    first: bool,
    /// What comes is explained, not run.
    explained: bool,
    /// The kind of what is created, altered or dropped is still to come.
    wants_object: bool,
    /// The next name is a target.
    wants_target: bool,
    /// Those that are open; the first one stands for the statement.
    parentheses: Vec<Parenthesis>,
}

#[derive(Clone, Copy, Default)]
struct Parenthesis {
    /// A SELECT stands in it, and its FROM is still to come: in `EXTRACT(YEAR FROM x)` is no target, nor in
    /// `FROM exam FOR SYSTEM_TIME FROM x TO y`.
    selects: bool,
    /// A comma leads to another target.
    in_from: bool,
}

impl Scan {
    fn word(&mut self, word: &str, upper: &str, previous: &str) {
        if word.starts_with(char::is_numeric) {
            self.wants_target = false;
            return;
        }
        if previous.is_empty() && self.parentheses.len() == 1 {
            // The END of a trigger's body comes after a statement.
            self.ends_transaction |=
                matches!(upper, "COMMIT" | "ROLLBACK" | "ABORT") || upper == "END" && !self.begun;
        }
        if upper == "TO" && matches!(previous, "ROLLBACK" | "WORK" | "TRANSACTION") {
            self.ends_transaction = false;
        }
        if OPERATIONS.contains(&upper) && !NOT_AN_OPERATION_AFTER.contains(&previous) {
            // `REPLACE(a, b, c)` and `TRUNCATE(x, 2)` are functions; as statements they come first.
            if matches!(upper, "REPLACE" | "TRUNCATE") && self.begun {
                return;
            }
            self.operation(upper);
            self.writes |= upper != "SELECT" && !self.explained;
            if upper == "TRUNCATE" {
                self.schema = Schema::Changes;
            }
            if self.first && self.parentheses.len() == 1 {
                self.first = false;
                self.reads |= matches!(upper, "SELECT" | "CALL");
            }
            self.wants_object = false;
            self.wants_target = upper != "SELECT";
            let inside = self.inside();
            inside.in_from = false;
            inside.selects |= upper == "SELECT" || upper == "DELETE";
            return;
        }
        if DDL.contains(&upper) && (!self.begun || previous.is_empty()) {
            self.operation(upper);
            self.wants_object = true;
            self.writes = true;
            self.schema_before = self.schema;
            self.schema = Schema::Changes;
            self.first = false;
            return;
        }
        if upper == "TEMPORARY" && matches!(previous, "CREATE" | "DROP") {
            self.schema = self.schema_before.max(Schema::ChangesForAWhile);
            return;
        }
        if self.wants_object && DDL_OBJECTS.contains(&upper) {
            self.operation(upper);
            self.wants_object = false;
            self.wants_target = true;
            return;
        }
        match upper {
            // Where the CTEs of a WITH end is not known before an operation comes.
            _ if !self.begun
                && !matches!(upper, "WITH" | "EXPLAIN" | "RECURSIVE")
                && previous.is_empty() =>
            {
                self.operation(upper);
                // MariaDB's ANALYZE stands before the statement that it explains, and runs that.
                self.first = upper == "ANALYZE";
                self.writes |= matches!(
                    upper,
                    "COPY" | "DO" | "LOAD" | "VACUUM" | "REINDEX" | "GRANT" | "REVOKE"
                );
                self.wants_target = matches!(upper, "COPY" | "PRAGMA" | "LISTEN" | "NOTIFY");
            }
            // `IS DISTINCT FROM x` compares.
            "FROM" if self.inside().selects && previous != "DISTINCT" => {
                self.wants_target = true;
                let inside = self.inside();
                inside.selects = false;
                inside.in_from = true;
            }
            "JOIN" => self.wants_target = true,
            "WHERE" | "GROUP" | "ORDER" | "HAVING" | "LIMIT" | "SET" | "VALUES" | "UNION"
            | "RETURNING" | "ON" | "USING" | "OVER" => {
                self.wants_target = false;
                self.inside().in_from = false;
            }
            "EXPLAIN" if self.first && self.parentheses.len() == 1 => self.explained = true,
            _ if self.wants_target && FILLERS.contains(&upper) => {}
            _ if self.wants_target => self.name(word),
            _ => {}
        }
    }

    fn name(&mut self, name: &str) {
        if std::mem::take(&mut self.wants_target) {
            self.push(name);
        }
    }

    fn punct(&mut self, punct: char) {
        match punct {
            '(' => {
                self.parentheses.push(Parenthesis::default());
                self.wants_object = false;
                self.wants_target = false;
            }
            ')' if self.parentheses.len() > 1 => {
                self.parentheses.pop();
            }
            ',' => self.wants_target |= self.inside().in_from,
            ';' => {
                self.parentheses = vec![Parenthesis::default()];
                self.wants_object = false;
                self.wants_target = false;
                self.first = true;
                self.explained = false;
            }
            _ => {}
        }
    }

    fn inside(&mut self) -> &mut Parenthesis {
        self.parentheses
            .last_mut()
            .expect("BUG: the statement's own is never closed")
    }

    fn operation(&mut self, word: &str) {
        self.begun = true;
        self.push(word);
    }

    fn push(&mut self, word: &str) {
        let space = usize::from(!self.out.is_empty());
        self.is_told &= self.out.len() + space + word.len() <= MAX_BYTES;
        if self.is_told {
            self.out.extend([&" "[..space], word]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(sql: &str, expected: &str, writes: bool) {
        let summary = summarise(sql);
        assert_eq!(
            (&*summary.text, summary.writes),
            (expected, writes),
            "{sql}"
        );
    }

    #[test]
    fn only_some_statements_change_the_schema() {
        for sql in ["CREATE TABLE x (y INT)", "drop index z", "TRUNCATE TABLE x"] {
            assert_eq!(summarise(sql).schema, Schema::Changes, "{sql}");
        }
        for sql in [
            "INSERT INTO x VALUES (1)",
            "SELECT created FROM x",
            "SELECT TRUNCATE(1.5, 1)",
        ] {
            assert_eq!(summarise(sql).schema, Schema::Stays, "{sql}");
        }
    }

    #[test]
    fn only_some_statements_end_a_transaction() {
        for sql in [
            "COMMIT",
            "rollback work",
            "END TRANSACTION",
            "/* now */ ABORT",
            "INSERT INTO x VALUES (1); COMMIT",
            "COMMIT AND CHAIN",
        ] {
            assert!(summarise(sql).ends_transaction, "{sql}");
        }
        for sql in [
            "ROLLBACK TO SAVEPOINT x",
            "ROLLBACK TRANSACTION TO x",
            "RELEASE SAVEPOINT x",
            "SELECT CASE a WHEN 1 THEN 2 END FROM x",
            "INSERT INTO x VALUES ('COMMIT')",
            "CREATE TRIGGER x AFTER INSERT ON y BEGIN DELETE FROM z; END",
            "CREATE TABLE x (y INT) ON COMMIT DROP",
        ] {
            assert!(!summarise(sql).ends_transaction, "{sql}");
        }
    }

    #[test]
    fn rows_of_a_write_are_told_from_rows_of_a_read() {
        for sql in [
            "INSERT INTO x VALUES (1) RETURNING id",
            "INSERT INTO x SELECT * FROM y",
            "WITH y AS (SELECT 1) UPDATE x SET a = 1",
            "WITH gone AS (DELETE FROM x RETURNING id) INSERT INTO log SELECT id FROM gone",
            "UPDATE x SET a = (SELECT max(b) FROM y); DELETE FROM z",
        ] {
            assert!(summarise(sql).writes_for_sure, "{sql}");
        }
        for sql in [
            "WITH gone AS (DELETE FROM x RETURNING id) SELECT count(*) FROM gone",
            "WITH \"gone\" AS (DELETE FROM x RETURNING id) SELECT count(*) FROM gone",
            "CALL report(1)",
            "UPDATE x SET a = 1; SELECT * FROM x",
            "SELECT 1",
        ] {
            assert!(!summarise(sql).writes_for_sure, "{sql}");
        }
        assert!(!summarise("EXPLAIN QUERY PLAN DELETE FROM x").writes);
        assert!(summarise("EXPLAIN SELECT 1; DELETE FROM x").writes);
    }

    #[test]
    fn a_temporary_table_changes_the_schema_for_a_while() {
        for sql in ["CREATE TEMPORARY TABLE x (y INT)", "drop temporary table x"] {
            assert_eq!(summarise(sql).schema, Schema::ChangesForAWhile, "{sql}");
        }
        let both = "CREATE TABLE a (x INT); CREATE TEMPORARY TABLE b (y INT)";
        assert_eq!(summarise(both).schema, Schema::Changes);
    }

    #[test]
    fn reads() {
        check("SELECT 1", "SELECT", false);
        check("SELECT DISTINCT * FROM exam", "SELECT exam", false);
        check("SELECT DISTINCT \"a\" FROM exam", "SELECT exam", false);
        check(
            "WITH \"x\" AS (SELECT 1) SELECT * FROM x",
            "SELECT SELECT x",
            false,
        );
        check("select * from exam where id = ?", "SELECT exam", false);
        check(
            "SELECT * FROM exam e, device AS d WHERE e.d = d.id",
            "SELECT exam device",
            false,
        );
        check(
            "SELECT * FROM exam JOIN device ON true LEFT JOIN \"my licence\" USING (id)",
            "SELECT exam device my licence",
            false,
        );
        check(
            "SELECT EXTRACT(YEAR FROM taken) FROM public.exam FOR UPDATE",
            "SELECT public.exam",
            false,
        );
        check(
            "SELECT replace(name, 'a', 'b') FROM `exam`",
            "SELECT exam",
            false,
        );
        check(
            "SELECT a FROM (SELECT b FROM inner_table) t, other",
            "SELECT SELECT inner_table other",
            false,
        );
        check(
            "-- DELETE FROM x\nSELECT /* UPDATE y */ 'INSERT INTO z' FROM exam",
            "SELECT exam",
            false,
        );
        check(
            "WITH x AS (SELECT id FROM exam) SELECT * FROM x",
            "SELECT exam SELECT x",
            false,
        );
        check("PRAGMA journal_mode = WAL", "PRAGMA journal_mode", false);
        check("EXPLAIN SELECT 1", "SELECT", false);
        check("", "", false);
    }

    #[test]
    fn statements_without_a_target() {
        check("SET search_path TO \"secret\", 'secret'", "SET", false);
        check("set local lock_timeout = '5s'", "SET", false);
        check("SET @a = REPLACE(\"secret\", 'b', 'c')", "SET", false);
        check(
            "SET @a = (SELECT max(b) FROM exam)",
            "SET SELECT exam",
            false,
        );
        check("VALUES (1, 'secret'), (2, \"secret\")", "VALUES", false);
        check("ANALYZE", "ANALYZE", false);
        check("ANALYZE VERBOSE exam (id)", "ANALYZE", false);
        check("analyze table exam", "ANALYZE", false);
        // In these they are not the operation.
        check("EXPLAIN ANALYZE SELECT a FROM exam", "SELECT exam", false);
        check("EXPLAIN (ANALYZE) DELETE FROM exam", "DELETE exam", false);
        check("WITH x AS (VALUES (1)) SELECT * FROM x", "SELECT x", false);
        // MariaDB's, which runs what it explains.
        let both = summarise("ANALYZE SELECT * FROM exam; DELETE FROM device");
        assert_eq!(both.text, "ANALYZE SELECT exam DELETE device");
        assert!(both.writes && !both.writes_for_sure);
    }

    #[test]
    fn writes() {
        check(
            "INSERT INTO exam (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET n = 1",
            "INSERT exam",
            true,
        );
        check(
            "INSERT OR IGNORE INTO exam SELECT * FROM old_exam",
            "INSERT exam SELECT old_exam",
            true,
        );
        check(
            "UPDATE exam SET n = n + 1 WHERE id = 3",
            "UPDATE exam",
            true,
        );
        check("DELETE FROM ONLY exam WHERE id = 3", "DELETE exam", true);
        check(
            "CREATE TABLE IF NOT EXISTS exam (id INT, FOREIGN KEY (id) REFERENCES o (id) ON DELETE CASCADE)",
            "CREATE TABLE exam",
            true,
        );
        check("CREATE UNIQUE INDEX i ON exam (id)", "CREATE INDEX i", true);
        check(
            "CREATE TABLE a (x INT); CREATE TABLE b (y INT)",
            "CREATE TABLE a CREATE TABLE b",
            true,
        );
        check(
            "WITH gone AS (DELETE FROM exam RETURNING id) INSERT INTO log SELECT id FROM gone",
            "DELETE exam INSERT log SELECT gone",
            true,
        );
        check("REPLACE INTO exam VALUES (1)", "REPLACE exam", true);
        check("CALL next_number(1)", "CALL next_number", true);
        check("COPY exam FROM STDIN", "COPY exam", true);
        check("DO $$ BEGIN DELETE FROM x; END $$", "DO", true);
    }

    #[test]
    fn literals_are_not_told() {
        check(
            "SELECT (SELECT b FROM u), 4711 FROM t",
            "SELECT SELECT u t",
            false,
        );
        check(
            "SELECT (SELECT b FROM u), \"x\" FROM t",
            "SELECT SELECT u t",
            false,
        );
        check(
            "SELECT a FROM t WHERE b IS DISTINCT FROM 4711",
            "SELECT t",
            false,
        );
        check(
            "SELECT a FROM t WHERE b IS DISTINCT FROM c",
            "SELECT t",
            false,
        );
        check(
            "CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (DATABASE \"x\")",
            "CREATE",
            true,
        );
        // Not every FROM begins a clause: MariaDB's and MySQL's own, in which a text may stand in double quotes.
        check(
            "SELECT * FROM t FOR SYSTEM_TIME FROM \"secret\" TO \"x\", u",
            "SELECT t u",
            false,
        );
        check(
            "SELECT * FROM t JOIN u ON a = b JOIN v FOR SYSTEM_TIME FROM \"secret\" TO \"x\"",
            "SELECT t u v",
            false,
        );
        check(
            "DELETE FROM t FOR PORTION OF p FROM \"secret\" TO \"x\"",
            "DELETE t",
            true,
        );
        check(
            "SELECT nth_value(a, 2) FROM FIRST OVER (ORDER BY a), \"secret\" FROM t",
            "SELECT FIRST",
            false,
        );
        // What MySQL, and what PostgreSQL, may read otherwise ends the summary, but not the search for writes.
        check("SELECT 'a\\' FROM x', b FROM t", "SELECT", false);
        check("SELECT 'a\\\\' FROM t", "SELECT t", false);
        check("SELECT \"a\\\" FROM x\", b FROM t", "SELECT", false);
        check("SELECT 1 # it's\n, ' FROM x' FROM t", "SELECT", false);
        check("SELECT 1 # or two\n FROM t", "SELECT t", false);
        check("SELECT a #>> '{b}', a #- '{b}' FROM t", "SELECT t", false);
        check("SELECT 1--'\n, ' FROM x' FROM t", "SELECT", false);
        check("/* /* */ it's */ SELECT ' FROM x' FROM t", "", false);
        check("SELECT 'a\\'; DELETE FROM t", "SELECT", true);
        // What SQLite reads as a name may begin a literal of PostgreSQL's.
        check(
            "SELECT * FROM [it's], x WHERE a = ' FROM secret'",
            "SELECT it",
            false,
        );
        check(
            "SELECT * FROM [a\"], x WHERE a = 'secret' AND \"b\" = 1",
            "SELECT a",
            false,
        );
        check("SELECT a['x]'], b FROM t", "SELECT", false);
        check(
            "SELECT ARRAY['x', $$y$$], a[1], b[$1:$2] FROM t, [u], v",
            "SELECT t u v",
            false,
        );
        // A dollar within a name quotes nothing.
        check(
            "SELECT * FROM a$b$c, d WHERE e = '$'",
            "SELECT a$b$c d",
            false,
        );
    }

    #[test]
    fn writes_are_found_behind_a_long_text() {
        let tables: Vec<String> = (0..100).map(|n| format!("table_{n}")).collect();
        let sql = format!("SELECT * FROM {}; DELETE FROM x", tables.join(", "));
        assert!(summarise(&sql).writes);
    }

    #[test]
    fn long_texts_are_cut_at_a_word() {
        let tables: Vec<String> = (0..100).map(|n| format!("table_{n}")).collect();
        let summary = summarise(&format!("SELECT * FROM {}", tables.join(", "))).text;
        assert!(
            summary.len() <= MAX_BYTES && summary.starts_with("SELECT table_0 table_1 "),
            "{summary}"
        );
        assert!(!summary.ends_with("table_"), "{summary}");
    }
}
