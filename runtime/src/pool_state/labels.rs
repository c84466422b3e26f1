//! The labels by which living pools of one name are told apart.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use once_cell::sync::Lazy;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::sync;

static TAKEN: Lazy<Mutex<Labels>> = Lazy::new(Mutex::default);

/// The name of a pool, and the label that tells it apart from other living pools: the name itself, or the name with
/// ` #2`, ` #3` and so on.
///
/// The label is taken until it is given back or dropped. Its text stays the same.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: Arc<str>,
    pub(super) label: Arc<str>,
    /// `None` once the label is given back, and where none was taken.
    number: Option<u32>,
}

impl Named {
    /// Takes the label with the lowest free number.
    pub(super) fn take(name: Arc<str>) -> Self {
        let (number, label) = sync::lock(&TAKEN).take(&name);
        Self {
            name,
            label,
            number: Some(number),
        }
    }

    /// Of what is no pool, and shown with no other.
    pub(super) fn apart(name: Arc<str>) -> Self {
        Self {
            label: Arc::clone(&name),
            name,
            number: None,
        }
    }

    /// Lets the next pool of this name have the label.
    pub(super) fn give_back(&mut self) {
        if let Some(number) = self.number.take() {
            sync::lock(&TAKEN).give_back(&self.name, number, &self.label);
        }
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// The labels that are taken: one for each living pool.
#[derive(Debug, Default)]
struct Labels {
    all: FxHashSet<Arc<str>>,
    /// By name, of the names that have labels.
    numbers: FxHashMap<Arc<str>, Numbers>,
}

/// The numbers of one name.
#[derive(Debug, Default)]
struct Numbers {
    /// The largest number that is taken.
    last: u32,
    /// The smaller ones that are not.
    free: BTreeSet<u32>,
}

impl Labels {
    fn take(&mut self, name: &Arc<str>) -> (u32, Arc<str>) {
        let numbers = self.numbers.entry(Arc::clone(name)).or_default();
        // A pool may have been given the name `main #2` by the program. That number is passed over.
        let free = numbers.free.iter().copied();
        let (number, label) = free
            .chain(numbers.last + 1..=u32::MAX)
            .map(|number| (number, text(name, number)))
            .find(|(_, label)| !self.all.contains(label))
            .expect("BUG: there are more numbers than pools");
        numbers.take(number);
        self.all.insert(Arc::clone(&label));
        (number, label)
    }

    fn give_back(&mut self, name: &Arc<str>, number: u32, label: &Arc<str>) {
        self.all.remove(label);
        if let Some(numbers) = self.numbers.get_mut(name)
            && numbers.give_back(number)
        {
            self.numbers.remove(name);
        }
    }
}

impl Numbers {
    fn take(&mut self, number: u32) {
        self.free.remove(&number);
        if number > self.last {
            self.free.extend(self.last + 1..number);
            self.last = number;
        }
    }

    /// Returns whether none is taken any more.
    fn give_back(&mut self, number: u32) -> bool {
        self.free.insert(number);
        while self.last > 0 && self.free.remove(&self.last) {
            self.last -= 1;
        }
        self.last == 0
    }
}

fn text(name: &Arc<str>, number: u32) -> Arc<str> {
    match number {
        1 => Arc::clone(name),
        _ => format!("{name} #{number}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Pools {
        labels: Labels,
        alive: Vec<(Arc<str>, u32, Arc<str>)>,
    }

    impl Pools {
        fn make(&mut self, name: &str) -> String {
            let name: Arc<str> = name.into();
            let (number, label) = self.labels.take(&name);
            self.alive.push((name, number, Arc::clone(&label)));
            label.to_string()
        }

        fn end(&mut self, label: &str) {
            let index = self.alive.iter().position(|(.., it)| &**it == label);
            let (name, number, label) = self.alive.swap_remove(index.unwrap());
            self.labels.give_back(&name, number, &label);
        }
    }

    #[test]
    fn later_pools_of_a_name_are_numbered() {
        let mut pools = Pools::default();
        let made = ["main", "main", "jobs", "main"].map(|name| pools.make(name));
        assert_eq!(made, ["main", "main #2", "jobs", "main #3"]);
    }

    #[test]
    fn the_lowest_free_number_is_taken() {
        let mut pools = Pools::default();
        (0..4).for_each(|_| _ = pools.make("main"));
        pools.end("main #3");
        pools.end("main");
        assert_eq!(pools.make("main"), "main");
        assert_eq!(pools.make("main"), "main #3");
        assert_eq!(pools.make("main"), "main #5");
    }

    #[test]
    fn a_label_that_is_a_name_of_another_is_passed_over() {
        let mut pools = Pools::default();
        let made = ["main #2", "main", "main"].map(|name| pools.make(name));
        assert_eq!(made, ["main #2", "main", "main #3"]);
        pools.end("main #2");
        assert_eq!(pools.make("main"), "main #2");
        assert_eq!(pools.make("main #2"), "main #2 #2");
    }

    #[test]
    fn nothing_is_kept_of_pools_that_are_gone() {
        let mut pools = Pools::default();
        for _ in 0..3 {
            let made: Vec<_> = (0..1_000).map(|_| pools.make("main")).collect();
            for label in &made {
                pools.end(label);
            }
        }
        for tenant in 0..1_000 {
            let made = pools.make(&format!("tenant {tenant}"));
            pools.end(&made);
        }
        assert!(pools.labels.all.is_empty());
        assert!(pools.labels.numbers.is_empty());
    }

    #[test]
    fn a_label_is_given_back_once() {
        let name: Arc<str> = "given back once".into();
        let mut first = Named::take(Arc::clone(&name));
        first.give_back();
        let second = Named::take(Arc::clone(&name));
        drop(first);
        let third = Named::take(name);
        assert_eq!(
            [&*second.label, &*third.label],
            ["given back once", "given back once #2"]
        );
    }
}
