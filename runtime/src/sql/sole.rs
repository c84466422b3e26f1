//! The operation of a text and its table, where the text has one of each for certain.

use super::tokens::{Token, Tokens};

/// The operation of a text that has only one, and the table, where it names only one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sole {
    /// As it is written in the text.
    pub(crate) operation: Option<Box<str>>,
    /// With its schema, without quotes.
    pub(crate) collection: Option<Box<str>>,
}

/// Words that begin an operation within a statement, or join several: which one is *the* operation is then not certain.
const FURTHER: [&str; 12] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "MERGE",
    "CALL",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "EXECUTE",
    "TABLE",
    "WITH",
];
/// Words after which one of those begins no operation: `FOR UPDATE`, `ON DELETE`, `DO UPDATE`, `KEY UPDATE`.
const NOT_AN_OPERATION_AFTER: [&str; 4] = ["FOR", "ON", "DO", "KEY"];
/// First words before the operation itself.
const PREFIXES: [&str; 4] = ["WITH", "EXPLAIN", "ANALYZE", "DESCRIBE"];

/// Where the table of an operation stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    /// Behind this word: `SELECT … FROM exam`.
    Behind(&'static str),
    /// Here, but for some words: `UPDATE ONLY exam`.
    Name,
    /// It was found, and the next token decides whether it is a table.
    Followed,
    Nothing,
}

/// Reads a text. It is scanned, not parsed: what is not certain is left out.
pub(crate) fn sole(sql: &str) -> Sole {
    let Some(reader) = Reader::of(sql) else {
        return Sole::default();
    };
    Sole {
        operation: Some(reader.operation.into()),
        collection: reader.collection.map(Into::into),
    }
}

struct Reader<'a> {
    operation: &'a str,
    collection: Option<&'a str>,
    wants: Wants,
    /// Whether a comma leads to another table.
    in_list: bool,
    /// The number of open parentheses.
    depth: usize,
    is_over: bool,
}

impl<'a> Reader<'a> {
    /// `None` where the text has several operations, or may have.
    fn of(sql: &'a str) -> Option<Self> {
        let mut tokens = Tokens::new(sql);
        let Some(Token::Word(first)) = tokens.next() else {
            return None;
        };
        let upper = first.to_ascii_uppercase();
        if PREFIXES.contains(&&*upper) {
            return None;
        }
        let mut reader = Self {
            operation: first,
            collection: None,
            wants: wanted_by(&upper),
            in_list: false,
            depth: 0,
            is_over: false,
        };
        let mut previous = upper.clone();
        while let Some(token) = tokens.next() {
            if reader.is_over || tokens.is_unsure() {
                return None;
            }
            match token {
                Token::Word(word) => {
                    let upper = word.to_ascii_uppercase();
                    // `CREATE TABLE`, `CREATE TRIGGER … INSERT`: the words of a definition are none of operations.
                    let is_further = FURTHER.contains(&&*upper)
                        && !NOT_AN_OPERATION_AFTER.contains(&&*previous)
                        && !reader.is_definition();
                    if is_further && !(upper == "TABLE" && previous == "TRUNCATE") {
                        return None;
                    }
                    reader.word(word, &upper, &previous);
                    previous = upper;
                }
                Token::Quoted(name) => {
                    reader.name(name);
                    previous.clear();
                }
                Token::Punct(punct) => {
                    reader.punct(punct);
                    previous.clear();
                }
                Token::Literal(_) => {
                    reader.punct('\'');
                    previous.clear();
                }
            }
        }
        (!tokens.is_unsure()).then_some(reader)
    }

    fn is_definition(&self) -> bool {
        !matches!(
            &*self.operation.to_ascii_uppercase(),
            "SELECT" | "INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "TRUNCATE" | "COPY"
        )
    }

    fn word(&mut self, word: &'a str, upper: &str, previous: &str) {
        match self.wants {
            // `EXTRACT(YEAR FROM x)` is in parentheses, and `IS DISTINCT FROM x` compares.
            Wants::Behind(at) if upper == at && self.depth == 0 && previous != "DISTINCT" => {
                self.wants = Wants::Name;
            }
            Wants::Name if matches!(upper, "INTO" | "TABLE" | "FROM" | "ONLY" | "OR") => {}
            // `INSERT OR IGNORE INTO exam`, `UPDATE LOW_PRIORITY exam`
            Wants::Name if previous == "OR" || matches!(upper, "IGNORE" | "LOW_PRIORITY") => {}
            Wants::Name if upper == "LATERAL" => self.give_up(),
            Wants::Name => self.name(word),
            _ => self.word_behind(upper, previous),
        }
    }

    fn word_behind(&mut self, upper: &str, previous: &str) {
        self.other();
        if self.depth > 0 {
            return;
        }
        match upper {
            // Another table: `FROM exam JOIN device`, `DELETE FROM exam USING device`, `UPDATE exam … FROM device`.
            "JOIN" | "USING" => self.give_up(),
            "FROM" if previous != "DISTINCT" => self.give_up(),
            "WHERE" | "GROUP" | "HAVING" | "ORDER" | "LIMIT" | "OFFSET" | "FETCH" | "FOR"
            | "WINDOW" | "SET" | "VALUES" | "RETURNING" => self.in_list = false,
            _ => {}
        }
    }

    fn name(&mut self, name: &'a str) {
        if self.wants == Wants::Name {
            self.collection = Some(name);
            self.wants = Wants::Followed;
            self.in_list = true;
        } else {
            self.other();
        }
    }

    fn punct(&mut self, punct: char) {
        match punct {
            // A function: `FROM generate_series(1, 3)`. Columns: `INSERT INTO exam (id)`.
            '(' if self.wants == Wants::Followed && !self.inserts() => self.give_up(),
            // `"public"."exam"`, of which the parts are tokens.
            '.' if self.wants == Wants::Followed => self.give_up(),
            _ if self.wants == Wants::Name => self.give_up(),
            // `FROM exam, device`
            ',' if self.depth == 0 && self.in_list => self.give_up(),
            _ => {}
        }
        match punct {
            '(' => self.depth += 1,
            ')' => self.depth = self.depth.saturating_sub(1),
            ';' => self.is_over = true,
            _ => {}
        }
        self.other();
    }

    fn inserts(&self) -> bool {
        ["INSERT", "REPLACE"].contains(&&*self.operation.to_ascii_uppercase())
    }

    /// A token behind the name that leaves it a table.
    fn other(&mut self) {
        if self.wants == Wants::Followed {
            self.wants = Wants::Nothing;
        }
    }

    /// Which table it is, is not certain.
    fn give_up(&mut self) {
        self.collection = None;
        self.wants = Wants::Nothing;
        self.in_list = false;
    }
}

fn wanted_by(operation: &str) -> Wants {
    match operation {
        "SELECT" => Wants::Behind("FROM"),
        "INSERT" | "REPLACE" | "UPDATE" | "DELETE" | "TRUNCATE" => Wants::Name,
        _ => Wants::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::{Sole, sole};

    #[track_caller]
    fn check(sql: &str, operation: &str, collection: &str) {
        let some = |text: &str| (!text.is_empty()).then(|| text.into());
        let expected = Sole {
            operation: some(operation),
            collection: some(collection),
        };
        assert_eq!(sole(sql), expected, "{sql}");
    }

    #[test]
    fn one_operation_on_one_table_is_certain() {
        check("SELECT * FROM exam WHERE id = ?", "SELECT", "exam");
        check(
            "select name from public.exam e where id = $1 for update",
            "select",
            "public.exam",
        );
        check(
            "SELECT \"a\" FROM \"my exam\" WHERE b = 'FROM x'",
            "SELECT",
            "my exam",
        );
        check(
            "SELECT EXTRACT(YEAR FROM at), b FROM exam GROUP BY 1",
            "SELECT",
            "exam",
        );
        check(
            "INSERT INTO exam (id, name) VALUES (?, ?)",
            "INSERT",
            "exam",
        );
        check("INSERT OR IGNORE INTO exam VALUES (1)", "INSERT", "exam");
        check(
            "INSERT INTO exam (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET name = 'x'",
            "INSERT",
            "exam",
        );
        check(
            "SELECT a FROM exam AS e ORDER BY a, b LIMIT 1, 2",
            "SELECT",
            "exam",
        );
        check("REPLACE INTO exam VALUES (1)", "REPLACE", "exam");
        check(
            "UPDATE ONLY exam SET a = 1, b = 2 WHERE id = 3;",
            "UPDATE",
            "exam",
        );
        check("DELETE FROM exam WHERE id IN (1, 2)", "DELETE", "exam");
        check("TRUNCATE TABLE exam", "TRUNCATE", "exam");
    }

    #[test]
    fn what_has_no_table_has_its_operation() {
        check("SELECT 1", "SELECT", "");
        check("SELECT now()", "SELECT", "");
        check("PRAGMA user_version", "PRAGMA", "");
        check("CREATE TABLE exam (id INTEGER)", "CREATE", "");
        check("SET search_path = app", "SET", "");
        check("COMMIT", "COMMIT", "");
    }

    #[test]
    fn a_table_that_is_not_certain_is_none() {
        check("SELECT * FROM exam JOIN device ON true", "SELECT", "");
        check("SELECT * FROM exam, device", "SELECT", "");
        check("SELECT * FROM generate_series(1, 3)", "SELECT", "");
        check("SELECT * FROM \"public\".\"exam\"", "SELECT", "");
        check("SELECT * FROM (VALUES (1)) AS v", "SELECT", "");
        check("DELETE FROM exam USING device WHERE true", "DELETE", "");
        check("UPDATE exam SET a = d.a FROM device d", "UPDATE", "");
    }

    #[test]
    fn several_operations_are_none() {
        for sql in [
            "",
            "SELECT 1; SELECT 2",
            "INSERT INTO exam SELECT * FROM device",
            "SELECT * FROM exam WHERE id IN (SELECT exam FROM device)",
            "SELECT 1 UNION SELECT 2",
            "WITH e AS (SELECT 1) SELECT * FROM e",
            "EXPLAIN SELECT 1",
            "(SELECT 1)",
            "SELECT 'a\\' FROM exam WHERE b = '",
        ] {
            check(sql, "", "");
        }
    }
}
