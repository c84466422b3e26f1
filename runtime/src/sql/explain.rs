//! Whether a statement's text can be put behind EXPLAIN as it is.

/// A longer text is no help to a reader of a report.
const LONGEST: usize = 400;

/// Statements that have a plan.
const WITH_PLAN: [&str; 7] = [
    "SELECT", "INSERT", "UPDATE", "DELETE", "WITH", "REPLACE", "VALUES",
];

/// The text on one line, if it means the same there and the database can explain it. It is whole, or there is none.
pub(crate) fn explainable(sql: &str) -> Option<String> {
    let sql = sql.trim().trim_end_matches(';').trim_end();
    let first = sql.split(|c: char| !c.is_ascii_alphabetic()).next()?;
    let has_plan = WITH_PLAN
        .iter()
        .any(|word| word.eq_ignore_ascii_case(first));
    if sql.len() > LONGEST || !has_plan || sql.contains(';') {
        return None;
    }
    if !sql.contains('\n') {
        return Some(sql.to_owned());
    }
    // A line break may end a comment, or be a part of a literal.
    let may_matter =
        sql.contains(['\'', '"', '`', '#', '[']) || sql.contains("--") || sql.contains("$$");
    (!may_matter).then(|| sql.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Whether the text has parameters that PostgreSQL numbers.
pub(crate) fn has_numbered_parameters(sql: &str) -> bool {
    let mut signs = sql.chars().peekable();
    while let Some(sign) = signs.next() {
        if sign == '$' && signs.peek().is_some_and(char::is_ascii_digit) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_whole_or_absent() {
        let whole = "SELECT name FROM exam WHERE id = ?";
        assert_eq!(explainable(whole).as_deref(), Some(whole));
        let lines = "SELECT name\n    FROM exam\n    WHERE id = $1;\n";
        let one_line = "SELECT name FROM exam WHERE id = $1";
        assert_eq!(explainable(lines).as_deref(), Some(one_line));
        let long = format!("SELECT {}", "name, ".repeat(100));
        for text in [
            &*long,
            "SELECT 'two\nlines'",
            "SELECT 1 -- a comment\n FROM exam",
            "SELECT 1; SELECT 2",
            "CREATE TABLE exam (id INTEGER)",
            "CALL numbers()",
            "",
        ] {
            assert_eq!(explainable(text), None, "{text}");
        }
    }

    #[test]
    fn parameters_have_numbers() {
        assert!(has_numbered_parameters("SELECT $1"));
        assert!(!has_numbered_parameters("SELECT ?, $$a$$"));
    }
}
