//! Places in a test's own source, found by the text on the line.

use std::panic::Location;
use std::path::Path;

use sqlx::leash::CallSite;

/// A place in a source file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The path as the compiler writes it: relative to the workspace.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1, in characters.
    pub column: u32,
}

impl From<&CallSite> for Place {
    fn from(site: &CallSite) -> Self {
        Self {
            file: site.file.clone(),
            line: site.line,
            column: site.column,
        }
    }
}

/// The place of `word` on the line that ends in `// @marker`, in the caller's file.
#[track_caller]
pub fn marked(marker: &str, word: &str) -> Place {
    let file = Location::caller().file();
    let comment = format!("// @{marker}");
    find(file, word, |line| line.trim_end().ends_with(&comment))
}

/// The place of `word` on the line that is just `text`, in the caller's file: where no comment can stand behind it.
#[track_caller]
pub fn written(text: &str, word: &str) -> Place {
    find(Location::caller().file(), word, |line| line.trim() == text)
}

/// The place of the function's name in its declaration. The caller's file must declare it once.
#[track_caller]
pub fn declared(function: &str) -> Place {
    let file = Location::caller().file();
    let (plain, generic) = (format!("fn {function}("), format!("fn {function}<"));
    find(file, function, |line| {
        line.contains(&plain) || line.contains(&generic)
    })
}

/// The path of a function in the caller's file, within this test binary: `module::function`.
#[track_caller]
pub fn path_of(function: &str) -> String {
    let file = Location::caller().file();
    let module = file
        .strip_prefix("tests/tests/")
        .and_then(|file| file.strip_suffix(".rs")?.split_once('/'))
        .unwrap_or_else(|| panic!("{file} is not a module of a test binary"));
    format!("{}::{function}", module.1.replace('/', "::"))
}

#[track_caller]
fn find(file: &str, word: &str, is_it: impl Fn(&str) -> bool) -> Place {
    // The compiler names files relative to the workspace.
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is in a workspace")
        .join(file);
    let source = std::fs::read_to_string(path).expect("the test's source can be read");
    let mut lines = source.lines().enumerate().filter(|(_, line)| is_it(line));
    let (index, line) = lines
        .next()
        .unwrap_or_else(|| panic!("no line of {file} is marked for `{word}`"));
    assert!(
        lines.next().is_none(),
        "more than one line of {file} is marked for `{word}`"
    );
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (start, _) = line
        .match_indices(word)
        .find(|(at, _)| {
            !line[..*at].ends_with(is_word) && !line[at + word.len()..].starts_with(is_word)
        })
        .unwrap_or_else(|| panic!("`{word}` is not on the line {line:?}"));
    let column = line[..start].chars().count() + 1;
    Place {
        file: file.to_owned(),
        line: u32::try_from(index + 1).unwrap(),
        column: u32::try_from(column).unwrap(),
    }
}
