//! Events as a program's log has them in JSON.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};
use tracing::Level;
use tracing_subscriber::fmt::MakeWriter;

/// An event as the JSON formatter writes it, with the event's fields beside its own.
pub(crate) type Line = Map<String, Value>;

/// What the formatter adds to each event.
pub(crate) const OF_THE_FORMATTER: [&str; 5] = ["timestamp", "level", "target", "span", "spans"];

/// The log of a process.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Logs everything that happens from now on in this process.
    pub(crate) fn start() -> Self {
        let log = Self::default();
        tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_max_level(Level::DEBUG)
            .with_writer(log.clone())
            .init();
        log
    }

    /// Forgets what was logged so far.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }

    /// The events of this target. No name may occur twice in one, because readers refuse that or take one of the two.
    pub(crate) fn of(&self, target: &str) -> Vec<Line> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let mut lines = Vec::new();
        for text in text.lines() {
            let line: Line = serde_json::from_str(text).unwrap();
            if line["target"] != target {
                continue;
            }
            for name in line.keys() {
                let quoted = format!("\"{name}\":");
                assert_eq!(text.matches(&quoted).count(), 1, "{name}: {text}");
            }
            lines.push(line);
        }
        lines
    }
}
