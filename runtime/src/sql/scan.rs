//! Finds the operations and targets of a text, and whether they write.

use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;

use super::tokens::{Token, Tokens};

/// The length of a summary. The semantic conventions want at most 255 characters, and a low cardinality.
pub(super) const MAX_BYTES: usize = 255;

/// A text names this many tables at most. Those of a longer list are left out.
const MAX_TABLES: usize = 32;

/// Words that begin an operation wherever they stand.
const OPERATIONS: [&str; 8] = [
    "SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "CALL", "TRUNCATE",
];
/// Words that begin an operation together with the kind of its object: `CREATE TABLE exam`.
const DDL: [&str; 3] = ["CREATE", "ALTER", "DROP"];
/// The kinds of objects.
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
/// First words of statements that set something in the session.
const SETTING: [&str; 7] = [
    "SET", "RESET", "DISCARD", "USE", "PRAGMA", "ATTACH", "DETACH",
];
/// Words after which the name of an operation begins none: `FOR UPDATE`, `ON DELETE`, `DO UPDATE`, `KEY UPDATE`.
const NOT_AN_OPERATION_AFTER: [&str; 5] = ["FOR", "ON", "DO", "KEY", "OR"];

/// What a statement does to the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Schema {
    Stays,
    /// It creates or drops a temporary table: MySQL leaves an open transaction open.
    ChangesForAWhile,
    /// MySQL commits an open transaction before it.
    Changes,
}

/// What was found so far, and the position in the syntax.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a part of the position or of the findings"
)]
pub(super) struct Scan {
    /// The operations and targets.
    pub(super) out: String,
    /// The hashes of the targets, by their names without schema.
    pub(super) tables: Vec<u64>,
    /// Whether `out` still takes words: it is not full, and all databases read the text so far in the same way.
    is_open: bool,
    /// Whether an operation was found.
    begun: bool,
    pub(super) writes: bool,
    pub(super) schema: Schema,
    /// `schema` without the statement that is being read.
    schema_before: Schema,
    /// Whether a statement in the text reads, or may read.
    pub(super) reads: bool,
    /// Whether the statement's own operation, which is outside of parentheses, is still to come.
    first: bool,
    /// Whether the statement is explained, not run.
    explained: bool,
    /// Whether the kind of the created, altered or dropped object is still to come.
    wants_object: bool,
    /// Whether the next name is a target.
    wants_target: bool,
    /// Whether targets are tables, and not settings or channels.
    targets_are_tables: bool,
    /// Whether a setting of the session, or a part of it, may be another one afterwards.
    pub(super) sets: bool,
    /// The open parentheses. The first entry stands for the statement itself.
    parentheses: Vec<Parenthesis>,
}

/// The position inside an open parenthesis.
#[derive(Clone, Copy, Default)]
struct Parenthesis {
    /// Whether it has a SELECT or DELETE whose FROM is still to come. The FROM of `EXTRACT(YEAR FROM x)` leads to no
    /// target, nor does the second one of `FROM exam FOR SYSTEM_TIME FROM x TO y`.
    selects: bool,
    /// Whether a comma leads to another target.
    in_from: bool,
}

impl Scan {
    /// Reads a statement's text.
    pub(super) fn of(sql: &str) -> Self {
        let mut scan = Scan {
            out: String::new(),
            tables: Vec::new(),
            is_open: true,
            begun: false,
            writes: false,
            schema: Schema::Stays,
            schema_before: Schema::Stays,
            reads: false,
            first: true,
            explained: false,
            wants_object: false,
            wants_target: false,
            targets_are_tables: true,
            sets: false,
            parentheses: vec![Parenthesis::default()],
        };
        // The word or sign before. Empty at the beginning of a statement, and of one in parentheses.
        let mut previous = String::new();
        let mut tokens = Tokens::new(sql);
        while let Some(token) = tokens.next() {
            scan.is_open &= !tokens.is_unsure();
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
                Token::Literal(_) => {}
            }
        }
        scan
    }

    fn word(&mut self, word: &str, upper: &str, previous: &str) {
        self.sets |= upper.rsplit('.').next() == Some("SET_CONFIG");
        if word.starts_with(char::is_numeric) {
            self.wants_target = false;
            return;
        }
        if OPERATIONS.contains(&upper) && !NOT_AN_OPERATION_AFTER.contains(&previous) {
            // Statements begin with REPLACE or TRUNCATE. Elsewhere these are functions: `REPLACE(a, b, c)`.
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
            // Any other first word is an operation. After WITH, only the operation shows where the CTEs end.
            _ if !self.begun
                && !matches!(upper, "WITH" | "EXPLAIN" | "RECURSIVE")
                && previous.is_empty() =>
            {
                self.operation(upper);
                // MariaDB's ANALYZE runs the statement that follows it, and explains it.
                self.first = upper == "ANALYZE";
                self.sets |= SETTING.contains(&upper);
                self.targets_are_tables = upper == "COPY";
                self.writes |= matches!(
                    upper,
                    "COPY" | "DO" | "LOAD" | "VACUUM" | "REINDEX" | "GRANT" | "REVOKE"
                );
                self.wants_target = matches!(
                    upper,
                    "COPY" | "PRAGMA" | "LISTEN" | "UNLISTEN" | "NOTIFY" | "USE" | "SET" | "RESET"
                );
            }
            "SESSION" | "LOCAL" | "GLOBAL" if previous == "SET" => {}
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
            // `INSERT OR ROLLBACK INTO exam`
            _ if self.wants_target && (FILLERS.contains(&upper) || previous == "OR") => {}
            _ if self.wants_target => self.name(word),
            _ => {}
        }
    }

    fn name(&mut self, name: &str) {
        if std::mem::take(&mut self.wants_target) {
            self.push(name);
            if self.targets_are_tables && self.tables.len() < MAX_TABLES {
                self.tables.push(table(name));
            }
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
            // `SET @name`: such names are the user's own, and may be many.
            '@' => self.wants_target = false,
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
        self.targets_are_tables = true;
        self.push(word);
    }

    fn push(&mut self, word: &str) {
        let space = usize::from(!self.out.is_empty());
        self.is_open &= self.out.len() + space + word.len() <= MAX_BYTES;
        if self.is_open {
            self.out.extend([&" "[..space], word]);
        }
    }
}

/// The hash of a table's name, without its schema. Databases differ in whether the case of a name counts; here it does not.
fn table(name: &str) -> u64 {
    let name = name.rsplit('.').next().unwrap_or(name);
    FxBuildHasher.hash_one(name.to_ascii_lowercase())
}
