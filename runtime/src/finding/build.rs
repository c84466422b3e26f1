//! The builder of a finding.
//!
//! ```text
//! Finding::of(Lint::SlowQuery, level, place)
//!     .title("`SELECT exam` took 2.00 s; the limit is 1.00 s")
//!     .label("sent here")
//!     .certain("the answer came late")
//!     .fact("time", "2.00 s")
//!     .help("ask the database why: `EXPLAIN SELECT …`")
//! ```

use super::{CallSite, Certainty, Fact, Finding, Level, Lint, Numbers, Related, Verdict};

impl Finding {
    /// A finding at the place `primary`. The function around it is at fault, unless [`at_fault`](Self::at_fault) names
    /// another.
    pub(crate) fn of(lint: Lint, level: Level, primary: impl Into<CallSite>) -> Self {
        let primary = primary.into();
        Self {
            lint,
            level,
            certainty: Certainty::Unknown,
            cause: String::new(),
            title: String::new(),
            verdict: None,
            function: primary.function.clone(),
            primary,
            label: String::new(),
            pool: None,
            holder: None,
            waiter: None,
            numbers: Numbers::default(),
            related: Vec::new(),
            facts: Vec::new(),
            help: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(crate) fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// What happened at the primary place.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The function at fault; `None` if no function is.
    pub(crate) fn at_fault<'a>(mut self, function: impl Into<Option<&'a str>>) -> Self {
        self.function = function.into().map(str::to_owned);
        self
    }

    pub(crate) fn pool(mut self, name: &str) -> Self {
        self.pool = Some(name.to_owned());
        self
    }

    /// The same, of what may belong to no pool.
    pub(crate) fn pool_if_any(mut self, name: Option<&str>) -> Self {
        self.pool = name.map(str::to_owned);
        self
    }

    pub(crate) fn verdict(mut self, verdict: Verdict) -> Self {
        self.verdict = Some(verdict);
        self
    }

    pub(crate) fn certain(self, cause: impl Into<String>) -> Self {
        self.cause(Certainty::Certain, cause)
    }

    pub(crate) fn cause(mut self, certainty: Certainty, cause: impl Into<String>) -> Self {
        self.certainty = certainty;
        self.cause = cause.into();
        self
    }

    /// Where the holder has taken what the finding is about.
    pub(crate) fn holder(mut self, site: impl Into<CallSite>) -> Self {
        self.holder = Some(site.into());
        self
    }

    /// The same, where there may be none.
    pub(crate) fn holder_if_any(mut self, site: Option<impl Into<CallSite>>) -> Self {
        self.holder = site.map(Into::into);
        self
    }

    pub(crate) fn waiter(mut self, site: impl Into<CallSite>) -> Self {
        self.waiter = Some(site.into());
        self
    }

    /// The same, where there may be none.
    pub(crate) fn waiter_if_any(mut self, site: Option<impl Into<CallSite>>) -> Self {
        self.waiter = site.map(Into::into);
        self
    }

    pub(crate) fn numbers(mut self, numbers: Numbers) -> Self {
        self.numbers = numbers;
        self
    }

    pub(crate) fn related(self, label: impl Into<String>, site: impl Into<CallSite>) -> Self {
        self.all_related([Related::new(label, site)])
    }

    pub(crate) fn all_related(mut self, related: impl IntoIterator<Item = Related>) -> Self {
        self.related.extend(related);
        self
    }

    pub(crate) fn fact(self, name: &str, value: impl Into<String>) -> Self {
        self.facts([Fact::new(name, value)])
    }

    pub(crate) fn facts(mut self, facts: impl IntoIterator<Item = Fact>) -> Self {
        self.facts.extend(facts);
        self
    }

    pub(crate) fn help(self, help: impl Into<String>) -> Self {
        self.helps([help.into()])
    }

    pub(crate) fn helps(mut self, helps: impl IntoIterator<Item = String>) -> Self {
        self.help.extend(helps);
        self
    }

    pub(crate) fn note(self, note: impl Into<String>) -> Self {
        self.notes([note.into()])
    }

    pub(crate) fn notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }
}

impl Related {
    pub(crate) fn new(label: impl Into<String>, site: impl Into<CallSite>) -> Self {
        Self {
            label: label.into(),
            site: site.into(),
        }
    }
}

impl Fact {
    pub(crate) fn new(name: &str, value: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            value: value.into(),
        }
    }
}
