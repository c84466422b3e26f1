//! A text in one line, for people and for comparison.

/// Returns the text with single spaces for white space and comments. Quoted parts stay as they are, and so do the
/// comments that give a hint to the database: `/*+ … */` and `/*! … */`.
pub(crate) fn one_line(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while !rest.is_empty() {
        let (part, after) = rest.split_at(length_of_part(rest));
        if is_left_out(part) {
            if !out.ends_with(' ') {
                out.push(' ');
            }
        } else {
            out.push_str(part);
        }
        rest = after;
    }
    // Left out at the ends as well, but not within quotes.
    let out = out.strip_prefix(' ').unwrap_or(&out);
    out.strip_suffix(' ').unwrap_or(out).to_owned()
}

fn is_left_out(part: &str) -> bool {
    part.starts_with(char::is_whitespace) || is_line_comment(part) || is_comment(part)
}

/// Without white space behind it, MySQL reads no comment: `1--1` is a sum.
fn is_line_comment(text: &str) -> bool {
    text.strip_prefix("--")
        .is_some_and(|text| text.is_empty() || text.starts_with(char::is_whitespace))
}

fn is_comment(text: &str) -> bool {
    text.strip_prefix("/*")
        .is_some_and(|text| !text.starts_with(['+', '!']))
}

/// The number of bytes of the first part: white space, a comment, a quoted part, or a character.
fn length_of_part(text: &str) -> usize {
    let first = text.chars().next().map_or(0, char::len_utf8);
    let up_to = |end: &str, from: usize| {
        text[from..]
            .find(end)
            .map_or(text.len(), |at| from + at + end.len())
    };
    if text.starts_with(char::is_whitespace) {
        text.find(|c: char| !c.is_whitespace())
            .unwrap_or(text.len())
    } else if is_line_comment(text) {
        up_to("\n", 0)
    } else if text.starts_with("/*") {
        up_to("*/", 2)
    } else if text.starts_with(['\'', '"', '`']) {
        up_to(&text[..1], 1)
    } else if let Some(fence) = dollar_fence(text) {
        up_to(fence, fence.len())
    } else {
        first
    }
}

/// The `$tag$` that begins a quoted part of PostgreSQL's.
fn dollar_fence(text: &str) -> Option<&str> {
    let (tag, _) = text.strip_prefix('$')?.split_once('$')?;
    let is_tag = tag.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !tag.starts_with(|c: char| c.is_ascii_digit());
    is_tag.then(|| &text[..tag.len() + 2])
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[track_caller]
    fn check(sql: &str, expected: &str) {
        assert_eq!(one_line(sql), expected);
        assert_eq!(one_line(expected), expected, "a second time");
    }

    #[test]
    fn white_space_and_comments_are_one_space() {
        check(
            "\n  SELECT id,\n\t name\n  FROM exam -- all of them\n WHERE id = ? ",
            "SELECT id, name FROM exam WHERE id = ?",
        );
        check(
            "SELECT/* traceparent='00-4bf9' */1 /* and that */ -- done",
            "SELECT 1",
        );
        check("SELECT 1--1", "SELECT 1--1");
        check("", "");
        check(" \n", "");
    }

    #[test]
    fn quoted_parts_and_hints_stay() {
        for sql in [
            "SELECT 'a  -- b' FROM \"x  y\"",
            "SELECT 'it''s  so'",
            "SELECT `a  b`, '/*  */'",
            "SELECT /*+ INDEX(exam  x) */ 1",
            "SELECT $body$ a\n  b $body$ || $1 || $$ c  d $$",
            "SELECT 'not  closed",
            "SELECT 'é  ü', 1",
        ] {
            check(sql, sql);
        }
    }
}
