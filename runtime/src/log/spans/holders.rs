//! Who holds the permits for which an acquire waits, and in which spans they were taken.

use tracing::Span;

use crate::scope::foreign;
use crate::source::function::Function;
use crate::source::place::Place;

/// The places at which permits are held, each once, in the order of `places`: `deliver at src/exam.rs:12 (3 times); …`
pub(super) fn words(places: impl Iterator<Item = Place>) -> Option<String> {
    let mut counted: Vec<(Place, u32)> = Vec::new();
    for place in places {
        match counted.iter_mut().find(|(known, _)| known.is_same(place)) {
            Some((_, times)) => *times += 1,
            None => counted.push((place, 1)),
        }
    }
    let words: Vec<_> = counted
        .iter()
        .map(|(place, times)| word(*place, *times))
        .collect();
    (!words.is_empty()).then(|| words.join("; "))
}

fn word(place: Place, times: u32) -> String {
    let function = place.function.map(Function::name);
    let at = if place.is_unknown() {
        place.file.to_owned()
    } else {
        format!("{}:{}", place.file, place.line)
    };
    let times = match times {
        1 => String::new(),
        times => format!(" ({times} times)"),
    };
    match function {
        Some(function) => format!("{function} at {at}{times}"),
        None => format!("{at}{times}"),
    }
}

/// Makes `span` follow from each of `others`, once.
pub(super) fn link<'a>(span: &Span, others: impl Iterator<Item = &'a Span>) {
    let own = subscriber_of(span);
    let mut linked = Vec::new();
    for other in others {
        // A subscriber would take the id of another's span for one of its own spans.
        if linked.contains(&other.id()) || subscriber_of(other) != own {
            continue;
        }
        linked.push(other.id());
        _ = foreign::subscriber(|| span.follows_from(other));
    }
}

/// What tells the subscriber of a span from others; `None` of a span that has none.
fn subscriber_of(span: &Span) -> Option<String> {
    // The address is in its `Debug` alone.
    span.with_subscriber(|(_, subscriber)| format!("{subscriber:?}"))
}
