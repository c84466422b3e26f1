//! What repeats a call site: the loop around it, and the `.await` in it.

use std::panic::Location;

use crate::finding::Related;
use crate::scope::common::Below;
use crate::scope::ledger::Line;
use crate::source::function::{Function, Loop};
use crate::source::place::Place;

/// What repeats the calls of a line, as far as the attribute has seen it.
pub(super) struct Around {
    /// The function of the innermost scope that all calls have in common.
    function: Option<&'static Function>,
    /// The loop or closure in it.
    repeated_by: Option<Loop>,
    /// The function that it awaits each time, and where. `None` where the statement is its own.
    awaited: Option<(&'static Function, &'static Location<'static>)>,
}

impl Around {
    pub(super) fn of(line: &Line) -> Self {
        let function = line.common.function();
        let (position, awaited) = match line.common.below() {
            Below::Nothing => (own_position(line, function), None),
            Below::Callee {
                function: callee,
                awaited_at,
            } => {
                let position = function.and_then(|function| function.position_of(awaited_at));
                (position, Some((callee, awaited_at)))
            }
            Below::Several => (None, None),
        };
        Self {
            function,
            repeated_by: function.and_then(|function| function.loop_around(position?)),
            awaited,
        }
    }

    /// Whether it is a `for` loop whose rounds work on what each is given.
    pub(super) fn is_for_loop(&self) -> bool {
        matches!(self.repeated_by, Some(("for", .., true)))
    }

    /// Whether a loop may wait for what its next round works on.
    pub(super) fn waits_for_more(&self) -> bool {
        matches!(self.repeated_by, Some((word, .., false)) if word != "for")
    }

    /// The name of the function that is awaited each time.
    pub(super) fn callee(&self) -> Option<&'static str> {
        self.awaited.map(|(callee, _)| callee.name())
    }

    pub(super) fn related(&self, line: &Line) -> Vec<Related> {
        let Some(function) = self.function else {
            return Vec::new();
        };
        let mut related = Vec::new();
        if let Some((word, [row, column], ..)) = self.repeated_by {
            let place = Place {
                file: function.file(),
                line: row,
                column,
                function: Some(function),
            };
            let label = match word {
                "for" => "for each of these",
                "|" => "each time this closure runs",
                _ => "in each round of this loop",
            };
            related.push(Related::new(label, place));
        }
        match self.awaited {
            Some((callee, awaited_at)) if function.contains(awaited_at) => {
                let place = Place::at(awaited_at, Some(function));
                related.push(Related::new(
                    format!("{} is awaited here", callee.name()),
                    place,
                ));
            }
            Some((callee, _)) if line.overlaps => {
                let label = format!("{} runs here, several at once", callee.name());
                related.push(Related::new(label, function.place()));
            }
            _ if related.is_empty() => {
                related.push(Related::new(
                    "all calls are within this function",
                    function.place(),
                ));
            }
            _ => {}
        }
        related
    }
}

/// Where the statement is sent, if that is in the common function itself.
fn own_position(line: &Line, function: Option<&'static Function>) -> Option<(u32, u32)> {
    let place = line.tally.place()?;
    let is_own = place
        .function
        .zip(function)
        .is_some_and(|(own, common)| std::ptr::eq(own, common));
    is_own.then_some((place.line, place.column))
}
