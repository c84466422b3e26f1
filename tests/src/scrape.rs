//! A strict reader of Prometheus' text format, version 0.0.4.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::iter::Peekable;
use std::str::Chars;

/// What was exposed, family by family.
#[derive(Debug)]
pub struct Scrape {
    /// In the order of the text.
    pub families: Vec<Family>,
}

/// All series of one name.
#[derive(Debug)]
pub struct Family {
    /// The name.
    pub name: String,
    /// `counter`, `gauge`, `histogram` or `summary`.
    pub kind: String,
    /// What is said of it.
    pub help: String,
    /// The values.
    pub samples: Vec<Sample>,
}

/// One line: a value of one series.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The name, with the suffix of its part: `_bucket`.
    pub name: String,
    /// The labels, unescaped.
    pub labels: BTreeMap<String, String>,
    /// The value.
    pub value: f64,
}

impl Scrape {
    /// Reads a text.
    ///
    /// # Panics
    ///
    /// If the text is not exactly what the format and its conventions say: a family is one group of lines with its help and
    /// its type first, no series is there twice, and the parts of histograms fit together.
    pub fn of(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line is ended");
        let mut scrape = Self {
            families: Vec::new(),
        };
        for line in text.lines() {
            match line.strip_prefix("# ") {
                Some(line) => scrape.read_comment(line),
                None => scrape.read_sample(line),
            }
        }
        scrape.check();
        scrape
    }

    /// The family of this name.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn family(&self, name: &str) -> &Family {
        let found = self.families.iter().find(|family| family.name == name);
        found.unwrap_or_else(|| panic!("{name} is exposed"))
    }

    /// The value of the only series of this name that has these labels among its own; `None` if there is no such series.
    ///
    /// # Panics
    ///
    /// If there are several.
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let samples = self.families.iter().flat_map(|family| &family.samples);
        let found: Vec<_> = samples
            .filter(|sample| sample.name == name && sample.has(labels))
            .collect();
        assert!(found.len() <= 1, "several series: {found:?}");
        found.first().map(|sample| sample.value)
    }

    /// The sum of all series of this name that have these labels among their own.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let samples = self.families.iter().flat_map(|family| &family.samples);
        let found = samples.filter(|sample| sample.name == name && sample.has(labels));
        found.map(|sample| sample.value).sum()
    }

    fn read_comment(&mut self, line: &str) {
        let mut words = line.splitn(3, ' ');
        let (what, name, text) = (words.next(), words.next(), words.next());
        let (name, text) = (name.expect("a name"), text.expect("a text"));
        if what == Some("HELP") {
            let known = self.families.iter().any(|family| family.name == name);
            assert!(!known, "{name} is one group");
            assert!(is_name(name), "{name} is a name");
            assert!(!text.is_empty() && !text.contains('\\'), "{text}");
            self.families.push(Family {
                name: name.to_owned(),
                kind: String::new(),
                help: text.to_owned(),
                samples: Vec::new(),
            });
            return;
        }
        assert_eq!(what, Some("TYPE"), "{line}");
        let family = self.families.last_mut().expect("HELP stands before TYPE");
        assert_eq!((&*family.name, &*family.kind), (name, ""), "{line}");
        let kinds = ["counter", "gauge", "histogram", "summary"];
        assert!(kinds.contains(&text), "{line}");
        text.clone_into(&mut family.kind);
    }

    fn read_sample(&mut self, line: &str) {
        let sample = Sample::of(line);
        let family = self.families.last_mut().expect("a family stands before");
        let suffix = sample.name.strip_prefix(&*family.name);
        let fits = match &*family.kind {
            "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix.unwrap_or("?")),
            "summary" => ["_sum", "_count"].contains(&suffix.unwrap_or("?")),
            kind => !kind.is_empty() && suffix == Some(""),
        };
        assert!(fits, "{line} in the family {}", family.name);
        family.samples.push(sample);
    }

    fn check(&self) {
        let mut seen = HashSet::new();
        for family in &self.families {
            assert!(!family.samples.is_empty(), "{} has values", family.name);
            for sample in &family.samples {
                assert!(
                    seen.insert((&sample.name, &sample.labels)),
                    "{sample:?} is there once"
                );
            }
            match &*family.kind {
                "counter" => {
                    assert!(family.name.ends_with("_total"), "{}", family.name);
                    assert!(family.samples.iter().all(|it| it.value >= 0.0));
                }
                "histogram" => family.check_histograms(),
                _ => assert!(!family.name.ends_with("_total"), "{}", family.name),
            }
        }
    }
}

impl Family {
    fn check_histograms(&self) {
        let mut all: BTreeMap<_, (Vec<(f64, f64)>, BTreeSet<&str>, f64)> = BTreeMap::new();
        for sample in &self.samples {
            let mut labels = sample.labels.clone();
            let bound = labels.remove("le");
            let (buckets, parts, count) = all.entry(labels).or_default();
            if let Some(bound) = bound {
                let is_infinite = bound == "+Inf";
                let bound = is_infinite.then_some(f64::INFINITY);
                let bound = bound.unwrap_or_else(|| number(sample.labels["le"].as_str()));
                assert!(sample.name.ends_with("_bucket"), "{sample:?}");
                buckets.push((bound, sample.value));
                continue;
            }
            let part = &sample.name[self.name.len()..];
            parts.insert(part);
            if part == "_count" {
                *count = sample.value;
            }
        }
        for (labels, (buckets, parts, count)) in all {
            let rises = |it: &[(f64, f64)]| it[0].0 < it[1].0 && it[0].1 <= it[1].1;
            assert!(buckets.windows(2).all(rises), "{labels:?}: {buckets:?}");
            let last = buckets.last().copied();
            assert_eq!(last, Some((f64::INFINITY, count)), "{labels:?}");
            assert_eq!(parts, BTreeSet::from(["_count", "_sum"]), "{labels:?}");
        }
    }
}

impl Sample {
    /// Whether these are among its labels. A label without a value stands for none.
    pub fn has(&self, labels: &[(&str, &str)]) -> bool {
        let value = |label| self.labels.get(label).map_or("", String::as_str);
        labels
            .iter()
            .all(|(label, expected)| value(*label) == *expected)
    }

    fn of(line: &str) -> Self {
        let end = line
            .find(['{', ' '])
            .unwrap_or_else(|| panic!("no value: {line}"));
        let (name, rest) = line.split_at(end);
        assert!(is_name(name), "{line}");
        let mut rest = rest.chars().peekable();
        let labels = match rest.next_if_eq(&'{') {
            Some(_) => read_labels(&mut rest),
            None => BTreeMap::new(),
        };
        assert_eq!(rest.next(), Some(' '), "{line}");
        Self {
            name: name.to_owned(),
            labels,
            value: number(&rest.collect::<String>()),
        }
    }
}

fn read_labels(rest: &mut Peekable<Chars<'_>>) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    loop {
        let name: String = std::iter::from_fn(|| rest.next_if(|it| *it != '=')).collect();
        assert!(is_name(&name) && !name.contains(':'), "{name} is a label");
        assert_eq!((rest.next(), rest.next()), (Some('='), Some('"')));
        let mut value = String::new();
        loop {
            match rest.next().expect("the value ends") {
                '"' => break,
                '\\' => value.push(match rest.next() {
                    Some('n') => '\n',
                    Some(escaped @ ('\\' | '"')) => escaped,
                    other => panic!("{other:?} is not escaped"),
                }),
                other => value.push(other),
            }
        }
        assert!(
            labels.insert(name, value).is_none(),
            "a label is there once"
        );
        match rest.next() {
            Some(',') => {}
            Some('}') => return labels,
            other => panic!("{other:?} after a label"),
        }
    }
}

fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    let is_first = |it: char| it.is_ascii_alphabetic() || it == '_' || it == ':';
    letters.next().is_some_and(is_first) && letters.all(|it| is_first(it) || it.is_ascii_digit())
}

fn number(text: &str) -> f64 {
    let number: f64 = text
        .parse()
        .unwrap_or_else(|_| panic!("{text} is no number"));
    assert!(number.is_finite(), "{text}");
    number
}
