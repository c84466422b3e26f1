//! The statements of a scope that a test looks at.

use std::collections::HashMap;
use std::ptr;
use std::sync::{Arc, Mutex};

use rustc_hash::FxBuildHasher;

use crate::site::tally::{self, Tally};
use crate::source::function::Function;
use crate::source::place::Place;
use crate::sql::summarise;
use crate::sync;

/// A record keeps this many texts of the places that have more than are counted one by one. Further texts share a row
/// for each place.
const FURTHER_TEXTS: usize = 1000;

/// The statements of a scope, one row for each place and text. Its clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record(Arc<Mutex<Rows>>);

#[derive(Debug, Default)]
struct Rows {
    rows: HashMap<Key, Row, FxBuildHasher>,
    further_texts: usize,
}

/// The address of the tally, and the hash of the text where the tally stands for several.
type Key = (usize, Option<u64>);

#[derive(Debug)]
struct Row {
    tally: &'static Tally,
    /// The text, where the tally stands for several.
    text: Option<Box<str>>,
    calls: u64,
}

/// The calls of one text at one place.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The call site, else the function; `None` if no function is known.
    pub(crate) place: Option<Place>,
    pub(crate) summary: String,
    pub(crate) sql: String,
    /// Whether it may write.
    pub(crate) writes: bool,
    pub(crate) calls: u64,
}

impl Record {
    /// Counts a statement. `text` has its text if the tally stands for several.
    pub(super) fn note(&self, tally: &'static Tally, text: Option<&str>) {
        let address = ptr::from_ref(tally).addr();
        let hash = text.map(tally::hash);
        let mut rows = sync::lock(&self.0);
        if let Some(row) = rows.rows.get_mut(&(address, hash)) {
            row.calls += 1;
            return;
        }
        let is_kept = text.is_some() && rows.further_texts < FURTHER_TEXTS;
        rows.further_texts += usize::from(is_kept);
        let key = (address, hash.filter(|_| is_kept));
        let row = rows.rows.entry(key).or_insert_with(|| Row {
            tally,
            text: text
                .filter(|_| is_kept)
                .map(|text| tally::kept(text).into()),
            calls: 0,
        });
        row.calls += 1;
    }

    /// The statements so far, in no order.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        let rows = sync::lock(&self.0);
        rows.rows.values().map(Row::read).collect()
    }
}

impl Row {
    fn read(&self) -> Sent {
        let tally = self.tally;
        let (summary, writes, sql) = match &self.text {
            Some(text) => {
                let summary = summarise(text);
                (summary.text, summary.writes, &**text)
            }
            None => (tally.summary.clone(), tally.writes(), tally.sql()),
        };
        Sent {
            place: tally.place(),
            summary,
            sql: sql.to_owned(),
            writes,
            calls: self.calls,
        }
    }
}

impl Sent {
    pub(crate) fn function(&self) -> Option<&'static Function> {
        self.place?.function
    }

    /// Whether a tracked function has sent it, or a named scope. The test has not.
    pub(crate) fn is_tracked(&self) -> bool {
        self.function().is_some_and(|it| !it.options().is_of_test())
    }

    /// Whether the place is the call site, and not only the function.
    pub(crate) fn has_site(&self) -> bool {
        self.place.is_some_and(|place| {
            let position = (place.line, place.column);
            place.function.is_some_and(|it| it.position() != position)
        })
    }
}
