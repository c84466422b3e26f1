//! The last findings, kept for the live page from the time that it is asked for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::Finding;
use crate::sync;

/// The number of causes that are kept apart.
const CAUSES: usize = 50;
/// The bytes of all findings that are kept.
const BYTES: usize = 1 << 20;

static KEEPS: AtomicBool = AtomicBool::new(false);
static RECENT: Mutex<Kept> = Mutex::new(Kept {
    findings: VecDeque::new(),
    bytes: 0,
});

/// The findings of one cause.
#[derive(Clone, Debug)]
pub(crate) struct Recent {
    /// The hash of the cause.
    pub(crate) cause: u64,
    /// The last of them.
    pub(crate) finding: Arc<Finding>,
    /// The number of them.
    pub(crate) times: u64,
    pub(crate) first: Instant,
    pub(crate) last: Instant,
    /// The last of them as it is rendered, once somebody has asked for that.
    rendered: Option<Arc<str>>,
    bytes: usize,
}

/// The causes, that of the last finding at the back.
struct Kept {
    findings: VecDeque<Recent>,
    bytes: usize,
}

/// From now on, findings are kept.
pub(crate) fn keep() {
    KEEPS.store(true, Relaxed);
}

/// Keeps a finding in place of an earlier one of the same cause.
pub(crate) fn note(finding: &Finding, cause: impl FnOnce() -> u64) {
    if KEEPS.load(Relaxed) {
        let kept = Arc::new(finding.clone());
        sync::lock(&RECENT).note(cause(), kept, Instant::now());
    }
}

/// The findings that are kept, latest first, each with its rendered text.
pub(crate) fn read() -> Vec<(Recent, Arc<str>)> {
    let kept: Vec<_> = sync::lock(&RECENT).findings.iter().cloned().collect();
    // Rendered after the unlock, because that reads source files.
    let rendered = kept.into_iter().rev().map(|recent| {
        let text = recent.rendered.clone().unwrap_or_else(|| {
            let text: Arc<str> = recent.finding.render().into();
            sync::lock(&RECENT).set_rendered(&recent, &text);
            text
        });
        (recent, text)
    });
    rendered.collect()
}

impl Kept {
    fn note(&mut self, cause: u64, finding: Arc<Finding>, now: Instant) {
        let position = self.findings.iter().position(|it| it.cause == cause);
        let before = position.and_then(|position| self.findings.remove(position));
        let bytes = bytes_of(&finding);
        self.bytes = self.bytes + bytes - before.as_ref().map_or(0, |before| before.bytes);
        self.findings.push_back(Recent {
            cause,
            finding,
            times: before.as_ref().map_or(0, |before| before.times) + 1,
            first: before.map_or(now, |before| before.first),
            last: now,
            rendered: None,
            bytes,
        });
        while self.findings.len() > CAUSES || self.bytes > BYTES {
            let Some(oldest) = self.findings.pop_front() else {
                return;
            };
            self.bytes -= oldest.bytes;
        }
    }

    fn set_rendered(&mut self, of: &Recent, text: &Arc<str>) {
        let mut kept = self.findings.iter_mut();
        if let Some(kept) = kept.find(|kept| Arc::ptr_eq(&kept.finding, &of.finding)) {
            kept.bytes += text.len();
            self.bytes += text.len();
            kept.rendered = Some(Arc::clone(text));
        }
    }
}

/// The bytes of a finding: of its texts, and of what holds them.
fn bytes_of(finding: &Finding) -> usize {
    let places = finding.related.iter();
    let related = places.map(|related| related.label.len() + related.site.file.len());
    let facts = finding.facts.iter();
    let facts = facts.map(|fact| fact.name.len() + fact.value.len());
    let texts = finding.help.iter().chain(&finding.notes);
    let lines = related.chain(facts).chain(texts.map(String::len));
    size_of::<Recent>()
        + size_of::<Finding>()
        + [&finding.cause, &finding.title, &finding.label]
            .map(String::len)
            .iter()
            .sum::<usize>()
        // A line stands in a vector, and has a place or a name beside its text.
        + lines.map(|text| text + 4 * size_of::<String>()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Level, Lint};
    use crate::source::place::Place;

    fn kept() -> Kept {
        Kept {
            findings: VecDeque::new(),
            bytes: 0,
        }
    }

    fn finding(title: &str) -> Arc<Finding> {
        let finding = Finding::of(Lint::SlowQuery, Level::Warn, Place::UNKNOWN);
        Arc::new(finding.title(title).certain("a test"))
    }

    #[test]
    fn findings_of_one_cause_are_one_entry_with_the_last_of_them() {
        let (mut kept, begun) = (kept(), Instant::now());
        kept.note(1, finding("first"), begun);
        kept.note(2, finding("other"), begun);
        let later = begun + std::time::Duration::from_secs(1);
        kept.note(1, finding("second"), later);
        let causes: Vec<_> = kept
            .findings
            .iter()
            .map(|it| (it.cause, it.times))
            .collect();
        assert_eq!(causes, [(2, 1), (1, 2)]);
        let last = kept.findings.back().unwrap();
        assert_eq!((last.first, last.last), (begun, later));
        assert_eq!(last.finding.title, "second");
    }

    #[test]
    fn causes_are_bounded_by_number() {
        let mut kept = kept();
        for cause in 0..1_000 {
            kept.note(cause, finding("one of many"), Instant::now());
        }
        assert_eq!(kept.findings.len(), CAUSES);
        assert_eq!(kept.findings.back().unwrap().cause, 999);
        let bytes: usize = kept.findings.iter().map(|it| it.bytes).sum();
        assert_eq!(kept.bytes, bytes);
    }

    #[test]
    fn and_by_bytes_rendered_texts_included() {
        let mut kept = kept();
        let long = "x".repeat(BYTES / 4);
        for cause in 0..10 {
            kept.note(cause, finding(&long), Instant::now());
            let last = kept.findings.back().unwrap().clone();
            kept.set_rendered(&last, &long.as_str().into());
        }
        kept.note(10, finding("short"), Instant::now());
        assert!(kept.bytes <= BYTES, "{}", kept.bytes);
        assert!(kept.findings.len() < 5);
        assert_eq!(kept.findings.back().unwrap().cause, 10);
    }
}
