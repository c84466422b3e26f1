//! The table of fields in the guide is what the spans have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use leash_tests::in_child;
use tracing::Subscriber;
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::every_kind;

/// The fields of each kind of span.
type Fields = BTreeMap<String, BTreeSet<String>>;

/// A layer that keeps which fields the spans of this crate have.
#[derive(Clone, Default)]
struct Declared(Arc<Mutex<Fields>>);

impl<S: Subscriber> Layer<S> for Declared {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let metadata = attributes.metadata();
        if metadata.target() == "sqlx_leash::span" {
            assert_eq!((metadata.file(), metadata.line()), (None, None));
            let fields = metadata
                .fields()
                .iter()
                .map(|field| field.name().to_owned());
            let mut declared = self.0.lock().unwrap();
            declared
                .entry(metadata.name().to_owned())
                .or_default()
                .extend(fields);
        }
    }
}

/// The cells of the rows of the table under `heading`, without its head.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let page = include_str!("../../../../runtime/src/guide/spans.md");
    let (_, section) = page.split_once(heading).unwrap();
    let lines = section.lines().skip_while(|line| !line.starts_with("| `"));
    lines
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

fn names(cell: &str) -> impl Iterator<Item = String> {
    let names = cell
        .split(',')
        .map(|name| name.trim().trim_matches('`').to_owned());
    names.collect::<Vec<_>>().into_iter()
}

/// The fields of each kind of span, as the guide has them.
fn documented() -> Fields {
    let kinds: Vec<_> = rows("# Spans")
        .iter()
        .flat_map(|row| names(row[0]))
        .collect();
    let mut fields = Fields::new();
    for row in rows("## Fields") {
        for field in names(row[0]) {
            let of: Vec<_> = names(row[1]).collect();
            let all = of == ["all"];
            for kind in if all { kinds.clone() } else { of } {
                assert!(kinds.contains(&kind), "{kind} is a kind of span");
                fields.entry(kind).or_default().insert(field.clone());
            }
        }
    }
    fields
}

#[test]
fn the_guide_has_all() {
    let test = "spans::fields::the_guide_has_all";
    in_child(test, &[("SQLX_LEASH", "spans=all")], |runtime| {
        let declared = Declared::default();
        let subscriber = tracing_subscriber::registry().with(declared.clone());
        tracing::subscriber::set_global_default(subscriber).unwrap();
        runtime.block_on(every_kind());
        assert_eq!(*declared.0.lock().unwrap(), documented());
    });
}
