//! The name of a function, without the noise of its type path.

/// The name of the function around a marker item: `shop::Repo::find` for `shop::<impl shop::Repo<_>>::find::Here`.
pub(super) fn function_name(path: &str) -> String {
    let function = path
        .rsplit_once("::")
        .map_or(path, |(function, _marker)| function);
    let function = function.replace("::{{closure}}", "");
    if function.starts_with('<')
        && let Some((ty, rest)) = function[1..].split_once(" as ")
        && let Some((tr, method)) = rest.rsplit_once(">::")
    {
        // A trait implementation. The module paths of type and trait would make the name long.
        return format!("<{} as {}>::{method}", last_segment(ty), last_segment(tr));
    }
    if let Some((module, rest)) = function.split_once("<impl ")
        && let Some((ty, method)) = rest.rsplit_once(">::")
    {
        return format!("{module}{}::{method}", last_segment(ty));
    }
    without_arguments(&function)
}

/// The function's own name alone, as its source has it: `find` for `shop::Repo<_>::find::Here`.
pub(super) fn own_word(path: &'static str) -> Option<&'static str> {
    let mut segments = path.rsplit("::").skip(1);
    let word = segments.find(|segment| *segment != "{{closure}}")?;
    Some(word.trim_start_matches("r#"))
}

/// `alloc::vec::Vec<x::Y>` -> `Vec`.
fn last_segment(path: &str) -> &str {
    let bare = path.split_once('<').map_or(path, |(bare, _)| bare);
    bare.rsplit_once("::").map_or(bare, |(_, last)| last)
}

/// `a::Repo<b::C>::find` -> `a::Repo::find`.
fn without_arguments(path: &str) -> String {
    let mut depth = 0_u32;
    path.chars()
        .filter(|c| {
            match c {
                '<' => depth += 1,
                // Dropped even where it closes the outermost bracket.
                '>' => {
                    depth = depth.saturating_sub(1);
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{function_name, own_word};

    #[track_caller]
    fn check(path: &str, expected: &str) {
        assert_eq!(function_name(path), expected);
    }

    #[test]
    fn function_names_are_short() {
        check("shop::free::Here", "shop::free");
        check(
            "shop::repo::ExamRepo::find::Here",
            "shop::repo::ExamRepo::find",
        );
        check("shop::Repo<_>::find::Here", "shop::Repo::find");
        check(
            "shop::<impl shop::repo::Repo<alloc::vec::Vec<_>>>::find::Here",
            "shop::Repo::find",
        );
        check(
            "<shop::repo::ExamRepo as shop::Repo>::find::Here",
            "<ExamRepo as Repo>::find",
        );
        check(
            "<shop::G<a::B> as shop::Repo<c::D>>::find::Here",
            "<G as Repo>::find",
        );
        check("shop::main::{{closure}}::Here", "shop::main");
    }

    #[test]
    fn a_functions_own_word_is_in_its_source() {
        for (path, word) in [
            ("shop::free::Here", Some("free")),
            ("shop::Repo<a::B>::find::Here", Some("find")),
            ("<shop::G as shop::Repo<c::D>>::find::Here", Some("find")),
            ("shop::main::{{closure}}::Here", Some("main")),
            ("shop::r#gen::Here", Some("gen")),
            // A scope that a program names is no function.
            ("", None),
        ] {
            assert_eq!(own_word(path), word, "{path}");
        }
    }
}
