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

/// A line of source with its place. The text is empty if the file is not found.
struct Source {
    path: String,
    line: usize,
    text: String,
    span: std::ops::Range<usize>,
}

impl Source {
    fn of(site: &CallSite) -> Self {
        let line = site.line as usize;
        let text = read_line(&site.file, line).unwrap_or_default();
        let start = text
            .char_indices()
            .nth((site.column as usize).saturating_sub(1))
            .map_or(text.len(), |(at, _)| at);
        let word = text[start..]
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(text.len() - start);
        Self {
            path: site.file.clone(),
            line,
            span: start..start + word,
            text,
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
