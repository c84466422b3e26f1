//! Reads a text token by token, and finds its operations and targets.

use super::tokens::{Token, Tokens};

/// The semantic conventions ask for a low cardinality and at most 255 characters.
pub(super) const MAX_BYTES: usize = 255;

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

/// What a statement does to the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Schema {
    Stays,
    /// By a temporary table: MySQL goes on with an open transaction.
    ChangesForAWhile,
    /// MySQL ends an open transaction before, by committing it.
    Changes,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "where it stands in the text, and what it found"
)]
pub(super) struct Scan {
    pub(super) out: String,
    /// What is found belongs into `out`: that is not full, and the text is the same to every database so far.
    is_told: bool,
    /// An operation was found.
    begun: bool,
    pub(super) writes: bool,
    pub(super) schema: Schema,
    /// Without the statement that is being read.
    schema_before: Schema,
    /// A statement in it is a read, or something that may be one.
    pub(super) reads: bool,
    pub(super) ends_transaction: bool,
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
    /// Reads a statement's text.
    pub(super) fn of(sql: &str) -> Self {
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
        scan
    }

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
