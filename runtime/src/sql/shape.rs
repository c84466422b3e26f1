//! What a statement's text shows of how many rows it is meant for.

use super::tokens::{Token, Tokens};

/// How many rows a statement is meant for, by its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Nothing says that it is for more than one.
    Single,
    /// A page of a list.
    Page,
    /// Several at once: a list of keys, or several rows of values.
    Batch,
}

/// Functions and operators over a list that is one argument.
const OVER_LISTS: [&str; 19] = [
    "ANY",
    "ALL",
    "UNNEST",
    "JSON_EACH",
    "JSONB_EACH",
    "JSON_TREE",
    "JSON_TABLE",
    "JSON_TO_RECORDSET",
    "JSONB_TO_RECORDSET",
    "JSON_POPULATE_RECORDSET",
    "JSONB_POPULATE_RECORDSET",
    "JSON_ARRAY_ELEMENTS",
    "JSONB_ARRAY_ELEMENTS",
    "JSON_ARRAY_ELEMENTS_TEXT",
    "JSONB_ARRAY_ELEMENTS_TEXT",
    "REGEXP_SPLIT_TO_TABLE",
    "STRING_TO_TABLE",
    "STRING_TO_ARRAY",
    "FIND_IN_SET",
];

/// Where the scan of a list in parentheses is.
#[derive(Clone, Copy, Default)]
struct List {
    /// The number of parentheses around it.
    depth: usize,
    /// Whether a comma in it makes the statement a batch.
    of_keys: bool,
}

/// The shape of a text.
pub(crate) fn shape(sql: &str) -> Shape {
    let mut shape = Shape::Single;
    // The two tokens before, latest first.
    let mut before = [const { String::new() }; 2];
    let mut depth = 0_usize;
    let mut list: Option<List> = None;
    for token in Tokens::new(sql) {
        let word = match token {
            Token::Word(word) => word.to_ascii_uppercase(),
            Token::Punct(sign) => sign.to_string(),
            _ => String::from("'"),
        };
        let [previous, second] = &before;
        match &*word {
            "(" => {
                if previous == "IN" {
                    list = Some(List {
                        depth,
                        of_keys: true,
                    });
                }
                // The second row of `VALUES (…), (…)`.
                if previous == "," && second == ")" && list.is_some_and(|it| it.depth == depth) {
                    return Shape::Batch;
                }
                depth += 1;
            }
            ")" => {
                depth = depth.saturating_sub(1);
                if list.is_some_and(|it| it.of_keys && it.depth == depth) {
                    list = None;
                }
            }
            "," if list.is_some_and(|it| it.of_keys && it.depth + 1 == depth) => {
                return Shape::Batch;
            }
            // A list that is a query of its own.
            "SELECT" if previous == "(" => list = None,
            "VALUES" | "VALUE" => {
                list = Some(List {
                    depth,
                    of_keys: false,
                });
            }
            // `UNION ALL`, `SELECT ALL`, and `= ALL`: the last one alone is over a list.
            "ALL" if matches!(&**previous, "UNION" | "EXCEPT" | "INTERSECT" | "SELECT") => {}
            _ if OVER_LISTS.contains(&word.rsplit('.').next().unwrap_or_default()) => {
                return Shape::Batch;
            }
            "OFFSET" => shape = Shape::Page,
            // `FETCH FIRST ROW ONLY` and `FETCH NEXT 1 ROW ONLY` are for one.
            _ if matches!(&**previous, "FIRST" | "NEXT")
                && second == "FETCH"
                && !matches!(&*word, "1" | "ROW" | "ROWS") =>
            {
                shape = Shape::Page;
            }
            _ if previous == "LIMIT" && word != "1" => shape = Shape::Page,
            _ => {}
        }
        before.rotate_right(1);
        before[0] = word;
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expected: Shape, texts: &[&str]) {
        for text in texts {
            assert_eq!(shape(text), expected, "{text}");
        }
    }

    #[test]
    fn lookups_are_for_one_row() {
        check(
            Shape::Single,
            &[
                "SELECT * FROM exam WHERE id = $1",
                "SELECT * FROM exam WHERE id = ? ORDER BY at DESC LIMIT 1",
                "INSERT INTO exam (a, b) VALUES ($1, lower($2))",
                "INSERT INTO exam (a, b) VALUES (?, coalesce(?, 1)) ON CONFLICT (a, b) DO UPDATE SET b = excluded.b",
                "SELECT * FROM exam WHERE id IN (SELECT exam, 1 FROM line WHERE x = ?)",
                "SELECT * FROM exam WHERE id IN (?) AND f(a, b)",
                "SELECT ',(' FROM exam -- IN (1, 2)",
                "UPDATE exam SET a = ?, b = ? WHERE id = ?",
                "SELECT a FROM exam WHERE id = ? UNION ALL SELECT b FROM line WHERE id = ?",
                "SELECT * FROM exam WHERE id = $1 FETCH FIRST ROW ONLY",
                "SELECT NEXT VALUE FOR exam_id FROM exam",
            ],
        );
    }

    #[test]
    fn lists_and_rows_of_values_are_batches() {
        check(
            Shape::Batch,
            &[
                "SELECT * FROM exam WHERE id = ANY($1)",
                "SELECT * FROM exam WHERE id = any ($1::bigint[])",
                "SELECT * FROM exam WHERE id IN (?, ?, ?)",
                "SELECT * FROM exam WHERE name IN ('a', 'b')",
                "SELECT * FROM exam WHERE id IN (SELECT value FROM json_each(?))",
                "INSERT INTO exam SELECT * FROM unnest($1::int[], $2::text[])",
                "DELETE FROM exam WHERE id <> ALL($1)",
                "INSERT INTO exam SELECT * FROM json_populate_recordset(NULL::exam, $1)",
                "INSERT INTO exam SELECT x->>'a' FROM pg_catalog.jsonb_array_elements($1) x",
                "INSERT INTO exam (a, b) VALUES (?, ?), (?, ?)",
                "INSERT INTO exam (a, b) VALUES (1, f(2)) , (3, 4) ON CONFLICT DO NOTHING",
            ],
        );
    }

    #[test]
    fn parts_of_a_list_are_pages() {
        check(
            Shape::Page,
            &[
                "SELECT * FROM exam ORDER BY id LIMIT 50 OFFSET $1",
                "SELECT * FROM exam WHERE id > $1 ORDER BY id LIMIT $2",
                "SELECT * FROM exam WHERE id > $1 ORDER BY id FETCH FIRST 10 ROWS ONLY",
                "SELECT * FROM exam WHERE id > $1 ORDER BY id FETCH NEXT $2 ROWS ONLY",
                "SELECT * FROM exam ORDER BY id OFFSET 10 ROWS FETCH NEXT 10 ROWS ONLY",
            ],
        );
    }
}
