//! Finds attributes and functions in the text of a source. It reads words, as they are usually written.

/// The text without its attributes `#[track]`, on as many lines. `None` if there is none.
pub(crate) fn without_attributes(source: &str) -> Option<String> {
    let mut rest = source;
    let mut without = String::new();
    while let Some(begin) = next_attribute(rest) {
        let attribute = &rest[begin..];
        let end = matching(attribute, |depth, character| depth == 0 && character == ']')?;
        without.push_str(&rest[..begin]);
        without.extend(
            attribute[..end]
                .chars()
                .filter(|character| *character == '\n'),
        );
        rest = &attribute[end..];
    }
    (rest.len() < source.len()).then(|| without + rest)
}

/// Where the next line begins with the attribute.
fn next_attribute(source: &str) -> Option<usize> {
    let names = ["#[track", "#[sqlx::track", "#[sqlx_leash::track"];
    let is_attribute = |at: &usize| {
        let line = &source[*at..];
        let after = names.iter().find_map(|name| line.strip_prefix(name));
        after.is_some_and(|after| after.starts_with([']', '(']))
    };
    source
        .match_indices("#[")
        .map(|(at, _)| at)
        .find(|at| begins_line(source, *at) && is_attribute(at))
}

/// Where the body of each `async fn` begins, behind its brace. Tests at the end of the source are left out.
pub(crate) fn bodies(source: &str) -> Vec<usize> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let functions = source.match_indices("async fn ").filter(|(at, _)| {
        let line = source[..*at].rsplit('\n').next().unwrap_or_default();
        !line.trim_start().starts_with("//")
    });
    functions
        .filter_map(|(at, _)| {
            let end = matching(&source[at..], |depth, character| {
                (depth == 1 && character == '{') || (depth == 0 && character == ';')
            })?;
            source[..at + end].ends_with('{').then_some(at + end)
        })
        .collect()
}

/// Returns the end of the first character at which `is_end` holds, given how many brackets are open behind it.
fn matching(source: &str, is_end: impl Fn(i32, char) -> bool) -> Option<usize> {
    let mut depth = 0;
    source.char_indices().find_map(|(at, character)| {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        is_end(depth, character).then_some(at + character.len_utf8())
    })
}

fn begins_line(source: &str, at: usize) -> bool {
    source[..at]
        .rsplit('\n')
        .next()
        .is_none_or(|before| before.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::{bodies, without_attributes};

    #[track_caller]
    fn check_bodies<const N: usize>(source: &str, expected: [&str; N]) {
        let found: Vec<&str> = (bodies(source).into_iter())
            .map(|at| source[at..].split('}').next().unwrap_or_default().trim())
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_attribute_goes_and_its_lines_stay() {
        let source = "    #[sqlx::track(\n        max_queries = 3,\n    )]\n    async fn f() {}\n#[track]\nimpl X {}\n";
        let without = "    \n\n\n    async fn f() {}\n\nimpl X {}\n";
        assert_eq!(without_attributes(source).as_deref(), Some(without));
    }

    #[test]
    fn other_attributes_and_comments_stay() {
        assert_eq!(
            without_attributes("#[track_caller]\n// #[track]\nfn f() {}"),
            None
        );
    }

    #[test]
    fn an_attribute_at_the_very_start_goes() {
        assert_eq!(
            without_attributes("#[track] fn f() {}"),
            Some(" fn f() {}".to_owned())
        );
    }

    #[test]
    fn the_body_comes_after_arguments_and_bounds() {
        check_bodies(
            "async fn f<T>((a, b): ([u8; 2], T)) -> Result<(), E>\nwhere\n    T: Fn(u8),\n{ one }\npub async fn g() { two }",
            ["one", "two"],
        );
    }

    #[test]
    fn a_function_without_a_body_has_none() {
        check_bodies(
            "trait T {\n    async fn f();\n    async fn g() { one }\n}",
            ["one"],
        );
    }

    #[test]
    fn comments_and_tests_have_none() {
        check_bodies(
            "/// async fn f() { no }\nasync fn g() { one }\n#[cfg(test)]\nasync fn h() { no }",
            ["one"],
        );
    }
}
