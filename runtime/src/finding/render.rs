//! A finding as a report for people: the renderer of `rustc`, on the user's source.

use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level as Title, Renderer, Snippet};

use super::{CallSite, Finding, Level};

impl Finding {
    /// Returns the whole report in the form of a `rustc` diagnostic, without colours.
    ///
    /// Reads the source files for the lines that it shows. A line is shown only if the word at the column is the one that
    /// was compiled; else the report shows the place, and of the line only the word, where the attribute has seen it.
    pub fn render(&self) -> String {
        let level = match self.level {
            Level::Deny => Title::ERROR,
            Level::Allow | Level::Warn => Title::WARNING,
        };
        let primary = Source::of(&self.primary);
        let related: Vec<Source> = self
            .related
            .iter()
            .map(|related| Source::of(&related.site))
            .collect();
        let mut group = Group::with_title(level.primary_title(&*self.title).id(self.lint.name()))
            .element(primary.snippet(AnnotationKind::Primary, &self.label));
        for (source, related) in related.iter().zip(&self.related) {
            group = group.element(source.snippet(AnnotationKind::Context, &related.label));
        }
        let facts = facts(self);
        if !facts.is_empty() {
            group = group.element(Title::NOTE.message(&*facts));
        }
        let cause = match self.verdict {
            Some(verdict) => format!("cause ({verdict}, {})", self.certainty),
            None => format!("cause ({})", self.certainty),
        };
        group = group.element(Title::NOTE.with_name(&*cause).message(&*self.cause));
        for help in &self.help {
            group = group.element(Title::HELP.message(&**help));
        }
        for note in &self.notes {
            group = group.element(Title::NOTE.message(&**note));
        }
        Renderer::plain().render(&[group])
    }
}

/// The evidence, separated by commas.
fn facts(finding: &Finding) -> String {
    let facts: Vec<String> = finding.facts.iter().map(ToString::to_string).collect();
    facts.join(", ")
}

/// A line of source with its place. Where the line is not at hand, it has only the word that the attribute has seen, in its
/// column.
struct Source {
    path: String,
    line: usize,
    text: String,
    span: Range<usize>,
}

impl Source {
    fn of(site: &CallSite) -> Self {
        let (line, column) = (site.line as usize, site.column.saturating_sub(1) as usize);
        let found = candidates(&site.file).find_map(|path| {
            let text = read_line(&path, line)?;
            let span = seen_at(&text, column, site.word)?;
            Some((text, span))
        });
        let (text, span) = found.unwrap_or_else(|| {
            let word = site.word.unwrap_or_default();
            let behind = if word.is_empty() { "" } else { " …" };
            let text = format!("{}{word}{behind}", " ".repeat(column));
            (text, column..column + word.len())
        });
        Self {
            path: site.file.clone(),
            line,
            text,
            span,
        }
    }

    fn snippet<'a>(
        &'a self,
        kind: AnnotationKind,
        label: &'a str,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        Snippet::source(&*self.text)
            .path(&*self.path)
            .line_start(self.line)
            .annotation(kind.span(self.span.clone()).label(label))
    }
}

/// The files that may be meant. The compiler names files relative to the workspace, but a test runs in the folder of its
/// package, so the folders above are searched as well.
fn candidates(file: &str) -> impl Iterator<Item = PathBuf> {
    let here = std::env::current_dir().unwrap_or_default();
    let folders: Vec<PathBuf> = here.ancestors().take(4).map(Path::to_owned).collect();
    let file = file.to_owned();
    let paths = folders.into_iter().map(move |folder| folder.join(&file));
    paths.filter(|path| path.is_file())
}

fn read_line(path: &Path, line: usize) -> Option<String> {
    let source = std::fs::read_to_string(path).ok()?;
    source.lines().nth(line.checked_sub(1)?).map(str::to_owned)
}

/// What takes its place from its caller: methods and functions of this crate, and an `.await`.
const CALLED: [&str; 34] = [
    "acquire",
    "as_sqlx",
    "assert_clean",
    "assert_queries",
    "await",
    "begin",
    "begin_with",
    "close",
    "connect",
    "connect_lazy",
    "connect_lazy_with",
    "connect_with",
    "constant_queries",
    "copy_in_raw",
    "copy_out_raw",
    "counting",
    "describe",
    "execute",
    "execute_many",
    "fetch",
    "fetch_all",
    "fetch_many",
    "fetch_one",
    "fetch_optional",
    "findings",
    "fixture",
    "from",
    "in_current_scope",
    "prepare_with",
    "scope",
    "statements",
    "try_acquire",
    "try_begin",
    "try_begin_with",
];

/// The span of the word at a column (in characters from 0), if it is the one that was seen there when the program was
/// compiled. Else the file has changed since, or is another program's.
fn seen_at(text: &str, column: usize, word: Option<&str>) -> Option<Range<usize>> {
    if word == Some("|") {
        let (start, bar) = text.char_indices().nth(column)?;
        return (bar == '|').then_some(start..start + 1);
    }
    let span = word_at(text, column)?;
    let is_seen = match word {
        Some(word) => text[span.clone()].trim_start_matches("r#") == word,
        None => CALLED.contains(&called(&text[span.start..])),
    };
    is_seen.then_some(span)
}

/// The last name of the method or path that is called where `text` begins: `begin` of `begin().await?`, `scope` of
/// `leash::scope("request", …)`.
fn called(text: &str) -> &str {
    let end = text.find(['(', '!', '.', ';', '?', ' ']);
    let path = &text[..end.unwrap_or(text.len())];
    let path =
        path.rsplit_once("::<").map_or(
            path,
            |(before, types)| {
                if types.ends_with('>') { before } else { path }
            },
        );
    path.rsplit("::").next().unwrap_or(path)
}

/// The word that begins at a column, in characters from 0.
fn word_at(text: &str, column: usize) -> Option<Range<usize>> {
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let (start, first) = text.char_indices().nth(column)?;
    let before = text[..start].chars().next_back();
    if !is_of_word(first) || before.is_some_and(is_of_word) {
        return None;
    }
    let raw = if text[start..].starts_with("r#") {
        2
    } else {
        0
    };
    let word = &text[start + raw..];
    let length = word.find(|c| !is_of_word(c)).unwrap_or(word.len());
    Some(start..start + raw + length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Lint;

    /// What is rendered of a place in the source where the attribute has seen `word`.
    fn rendered(file: &str, line: u32, column: u32, word: Option<&'static str>) -> String {
        let site = CallSite::new(file, line, column, None).word(word);
        Finding::of(Lint::SlowQuery, Level::Warn, site)
            .title("slow")
            .label("sent here")
            .render()
    }

    #[test]
    fn a_line_is_shown_where_its_word_is_the_one_that_was_seen() {
        let (line, column) = (line!() - 1, 8);
        let word = "a_line_is_shown_where_its_word_is_the_one_that_was_seen";
        let text = rendered(file!(), line, column, Some(word));
        assert!(
            text.contains(&format!("{}:{line}:{column}", file!())),
            "{text}"
        );
        assert!(text.contains("fn a_line_is_shown"), "{text}");
    }

    #[test]
    fn the_column_survives_where_the_line_is_not_at_hand() {
        for (word, line, mark) in [
            (
                Some("begin"),
                "12 |                     begin …\n",
                " ^^^^^ sent here",
            ),
            (None, "12 |                     \n", " ^ sent here"),
        ] {
            let text = rendered("nowhere/to/be/found.rs", 12, 21, word);
            assert!(text.contains("nowhere/to/be/found.rs:12:21"), "{text}");
            assert!(text.contains(line) && text.contains(mark), "{text}");
        }
    }

    #[test]
    fn no_line_of_another_program_is_shown() {
        let at = [
            // Another word, and the same one with more behind it.
            (9, Some("begin")),
            (9, Some("f")),
            // In the middle of a word, on a sign, and beyond the end.
            (10, Some("or")),
            (12, Some("(")),
            (900, Some("for")),
            // Nothing is called there that takes its place from its caller.
            (9, None),
        ];
        let line = line!() + 1;
        for (column, word) in at {
            let text = rendered(file!(), line, column, word);
            assert!(
                text.contains(&format!("{}:{line}:{column}", file!())),
                "{text}"
            );
            assert!(!text.contains("for (column, word)"), "{text}");
        }
    }

    #[track_caller]
    fn check(text: &str, word: Option<&str>, seen: Option<&str>) {
        let column = text.chars().take_while(|c| *c == ' ').count();
        let found = seen_at(text, column, word).map(|span| &text[span]);
        assert_eq!(found, seen, "{text}");
    }

    #[test]
    fn where_no_attribute_saw_the_place_the_called_name_decides() {
        for (text, word) in [
            ("  begin().await?;", "begin"),
            ("SqlitePool::connect(url)", "SqlitePool"),
            ("Pool::<Sqlite>::connect_lazy(url)", "Pool"),
            ("leash::scope(\"request\", next.run(request))", "leash"),
            ("describe::<Sqlite>(sql)", "describe"),
            ("sqlx::leash::testing::assert_queries!(1, x)", "sqlx"),
            ("await;", "await"),
            ("fetch_one(&pool)", "fetch_one"),
        ] {
            check(text, None, Some(word));
        }
        for text in [
            "begins()",
            "beginning.acquire()",
            "pool.begin()",
            "connect::other(url)",
            "let x = begin();",
        ] {
            check(text, None, None);
        }
    }

    #[test]
    fn a_raw_name_is_the_name() {
        check("    r#gen(pool: &Pool) {", Some("gen"), Some("r#gen"));
        check("    r#gen(pool: &Pool) {", Some("r"), None);
    }

    /// Every method that takes its place from its caller is in the list.
    #[test]
    fn no_method_is_forgotten() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = vec![
            source.join("track/in_scope.rs"),
            source.join("leash/testing.rs"),
        ];
        let shim = std::fs::read_dir(source.join("shim")).expect("the folder");
        files.extend(shim.map(|entry| entry.expect("an entry").path()));
        let mut found = 0;
        for file in files {
            let text = std::fs::read_to_string(file).expect("a file");
            for behind in text.split("#[track_caller]").skip(1) {
                let Some((_, name)) = behind.split_once("fn ") else {
                    continue;
                };
                let name = name.split(['<', '(']).next().unwrap_or(name);
                assert!(CALLED.contains(&name), "{name}");
                found += 1;
            }
        }
        assert!(found > 20, "{found}");
    }
}
