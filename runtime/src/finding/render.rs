//! A finding as a report for people: the renderer of `rustc`, on the user's source.

use std::path::{Path, PathBuf};

use annotate_snippets::{AnnotationKind, Group, Level as Title, Renderer, Snippet};

use super::{CallSite, Finding, Level};

impl Finding {
    /// Returns the whole report in the form of a `rustc` diagnostic, without colours.
    ///
    /// Reads the source files for the lines that it shows. If a file is not found, the report shows its places without
    /// the lines.
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

/// A line of source with its place. Where the line is not at hand, blanks stand for it, so that the column is right.
struct Source {
    path: String,
    line: usize,
    text: String,
    span: std::ops::Range<usize>,
}

impl Source {
    fn of(site: &CallSite) -> Self {
        let (line, column) = (site.line as usize, site.column.saturating_sub(1) as usize);
        let found = read_line(&site.file, line).and_then(|text| {
            let span = word_at(&text, column)?;
            Some((text, span))
        });
        let (text, span) = found.unwrap_or_else(|| (" ".repeat(column), column..column));
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

/// Reads a line of a file. The compiler names files relative to the workspace, but a test runs in the folder of its
/// package, so the folders above are searched as well.
fn read_line(file: &str, line: usize) -> Option<String> {
    let here = std::env::current_dir().ok()?;
    let mut candidates = here.ancestors().take(4).map(|folder| folder.join(file));
    let path: PathBuf = candidates.find(|path| Path::is_file(path))?;
    let source = std::fs::read_to_string(path).ok()?;
    source.lines().nth(line.checked_sub(1)?).map(str::to_owned)
}

/// The word that begins at a column, in characters from 0. Where none does, the file is not the one that was compiled.
fn word_at(text: &str, column: usize) -> Option<std::ops::Range<usize>> {
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    let (start, first) = text.char_indices().nth(column)?;
    let before = text[..start].chars().next_back();
    if !is_of_word(first) || before.is_some_and(is_of_word) {
        return None;
    }
    let word = &text[start..];
    let length = word.find(|c| !is_of_word(c)).unwrap_or(word.len());
    Some(start..start + length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Lint;

    /// What is rendered of a place in the source.
    fn rendered(file: &str, line: u32, column: u32) -> String {
        let site = CallSite::new(file, line, column, None);
        Finding::of(Lint::SlowQuery, Level::Warn, site)
            .title("slow")
            .label("sent here")
            .render()
    }

    #[test]
    fn a_line_is_shown_where_a_word_begins_at_the_column() {
        let (line, column) = (line!() - 1, 8);
        let text = rendered(file!(), line, column);
        assert!(
            text.contains(&format!("{}:{line}:{column}", file!())),
            "{text}"
        );
        assert!(text.contains("fn a_line_is_shown"), "{text}");
    }

    #[test]
    fn the_column_survives_where_the_line_is_not_at_hand() {
        let text = rendered("nowhere/to/be/found.rs", 12, 21);
        assert!(text.contains("nowhere/to/be/found.rs:12:21"), "{text}");
        assert!(text.contains("sent here"), "{text}");
    }

    #[test]
    fn no_line_of_another_program_is_shown() {
        // In the middle of a word, on a sign, and beyond the end.
        for (line, column) in [(line!(), 10), (line!(), 12), (line!(), 900)] {
            let text = rendered(file!(), line, column);
            assert!(
                text.contains(&format!("{}:{line}:{column}", file!())),
                "{text}"
            );
            assert!(!text.contains("for (line, column)"), "{text}");
        }
    }
}
