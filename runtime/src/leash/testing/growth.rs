//! Compares the statements of runs of several sizes.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::table::{UNSEEN, headings, named, place_of, table};
use crate::scope::record::Sent;
use crate::source::function::Function;

/// The statements of one call site; those without one, by function and summary.
struct Row {
    /// The number of calls in each run.
    calls: Vec<u64>,
    summary: String,
    function: Option<&'static Function>,
    place: String,
    writes: bool,
}

/// The runs of one test, smallest first.
pub(super) struct Runs<'a, S> {
    pub(super) sizes: &'a [S],
    pub(super) sent: Vec<Vec<Sent>>,
}

impl<S: Display> Runs<'_, S> {
    /// Says which call sites send more statements the larger the size is; `None` if there are none.
    pub(super) fn objection(mut self) -> Option<String> {
        if self.sent.iter().all(Vec::is_empty) {
            return Some(format!(
                "no statement was sent at any size, so there is nothing to compare; {UNSEEN}"
            ));
        }
        let has_tracked = self.sent.iter().flatten().any(Sent::is_tracked);
        if has_tracked {
            for sent in &mut self.sent {
                sent.retain(Sent::is_tracked);
            }
        }
        let (growing, others): (Vec<Row>, Vec<Row>) = self.rows().into_iter().partition(Row::grows);
        (!growing.is_empty()).then(|| self.message(growing, others, has_tracked))
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = BTreeMap::new();
        for (run, sent) in self.sent.iter().enumerate() {
            for sent in sent {
                // A generated text differs from size to size, but is sent at one call site.
                let summary = (!sent.has_site()).then(|| sent.summary.clone());
                let place = sent.place.map(|it| (it.file, it.line, it.column));
                let row = rows.entry((place, summary)).or_insert_with(|| Row {
                    calls: vec![0; self.sizes.len()],
                    summary: sent.summary.clone(),
                    function: sent.function(),
                    place: place_of(sent),
                    writes: sent.writes,
                });
                row.calls[run] += sent.calls;
            }
        }
        rows.into_values().collect()
    }

    fn message(&self, growing: Vec<Row>, others: Vec<Row>, has_tracked: bool) -> String {
        let writes = growing.iter().all(|row| row.writes);
        let number = growing.len();
        let sites = if number == 1 {
            "1 call site sends".to_owned()
        } else {
            format!("{number} call sites send")
        };
        let mut message = format!(
            "{sites} more statements, the larger the size is:\n\n{}",
            self.table(growing)
        );
        if !others.is_empty() {
            message += &format!("\n\nthese do not grow:\n\n{}", self.table(others));
        }
        message += if writes {
            "\n\nhelp: write all rows in one statement, `INSERT … VALUES (…), (…)` or `WHERE id IN (…)`, instead of one \
             by one"
        } else {
            "\n\nhelp: read all rows in one statement, `WHERE id IN (…)` or a join, instead of one by one"
        };
        message += if has_tracked {
            "\nhelp: if it makes the data of the test, wrap it: `testing::fixture(…)`"
        } else {
            "\nhelp: no tracked function sends a statement here; with `#[track]` on what is tested, the test's own \
             statements are not compared"
        };
        message
    }

    fn table(&self, mut rows: Vec<Row>) -> String {
        rows.sort_by_key(|row| u64::MAX - row.calls.iter().max().copied().unwrap_or(0));
        let sizes = self.sizes.iter().map(|size| format!("at {size}"));
        let rows = rows.into_iter().map(|row| {
            let calls = row.calls.iter().map(u64::to_string);
            calls
                .chain(named(row.summary, row.function, row.place))
                .collect()
        });
        table(
            sizes.chain(headings()).collect(),
            self.sizes.len(),
            rows.collect(),
        )
    }
}

impl Row {
    /// Whether a run sends more than each smaller one. One call is what is wanted at every size: it is no growth where a
    /// smaller size needs none.
    fn grows(&self) -> bool {
        let mut most = 1;
        self.calls.iter().enumerate().any(|(run, calls)| {
            let grows = run > 0 && *calls > most;
            most = most.max(*calls);
            grows
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(calls: &[u64], grows: bool) {
        let row = Row {
            calls: calls.to_vec(),
            summary: String::new(),
            function: None,
            place: String::new(),
            writes: false,
        };
        assert_eq!(row.grows(), grows, "{calls:?}");
    }

    #[test]
    fn more_than_at_each_smaller_size_is_growth() {
        check(&[1, 2], true);
        check(&[2, 20], true);
        check(&[0, 2], true);
        check(&[1, 20, 20], true);
        check(&[5, 2, 20], true);
        check(&[1, 1, 2], true);
    }

    #[test]
    fn what_stays_shrinks_or_is_sent_once_does_not_grow() {
        check(&[1, 1], false);
        check(&[20, 2], false);
        check(&[0, 1], false);
        check(&[0, 0], false);
        check(&[1, 0, 1], false);
        check(&[5, 2, 4], false);
        check(&[5, 5, 5], false);
    }
}
