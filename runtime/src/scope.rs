//! Scopes: each is one execution of a tracked function.

use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use smallvec::SmallVec;

use crate::config;
use crate::finding::collector::Collector;
use crate::site::TrackedFn;
use crate::site::tally::Tally;
use crate::source::function::Function;
use crate::sync;

mod budget;
pub(crate) mod common;
pub(crate) mod context;
pub(crate) mod counted;
pub(crate) mod failures;
pub(crate) mod foreign;
pub(crate) mod inside;
pub(crate) mod kept_span;
pub(crate) mod ledger;
mod lost;
pub(crate) mod origin;
mod postponed;
pub(crate) mod record;
mod spare;
#[cfg(feature = "tower")]
pub(crate) mod spent;
pub(crate) mod stalls;

use budget::Budget;
use common::{Innermost, Path, Step};
use failures::{Failure, Failures};
use ledger::Ledger;
pub(crate) use lost::Lost;
pub(crate) use postponed::Postponed;
use record::Record;
#[cfg(feature = "tower")]
use spent::Spent;

/// The ids of handles. A scope rarely holds more than one or two at a time.
pub(crate) type HandleIds = SmallVec<[u64; 4]>;

/// A scope remembers this many lost transactions, and as many findings until it returns.
const REMEMBERED: usize = 16;

/// The number of a scope that has ended, and whose memory is kept for another one.
const SPARE: u64 = u64::MAX;

/// The numbers of scopes made and ended so far.
static MADE: AtomicU64 = AtomicU64::new(0);
static ENDED: AtomicU64 = AtomicU64::new(0);

/// One execution of a tracked function, from its first statement or handle on.
#[derive(Debug)]
pub(crate) struct Scope {
    /// A number of its own. Another scope may have its address later.
    id: u64,
    kind: Kind,
    function: &'static TrackedFn,
    parent: Option<Arc<Scope>>,
    is_root: bool,
    awaited: Awaited,
    /// Lock order: a handle's state first, then this.
    burden: Mutex<Burden>,
    /// The number of statements sent in this scope and in those inside it.
    statements: AtomicU64,
    budget: Option<Budget>,
    /// What a root scope has sent. Other scopes write into that of theirs.
    ledger: Ledger,
    /// What the request around it has spent.
    #[cfg(feature = "tower")]
    spent: Option<Arc<Spent>>,
    ended: AtomicBool,
}

/// Where the future of a scope is awaited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Awaited {
    /// Where it was polled when the scope was made: the `.await` in the user's code, or a place in the code of a
    /// combinator or a box.
    pub(crate) polled_at: &'static Location<'static>,
    /// The `.await` that leads to it, if the attribute has marked that.
    pub(crate) at: Option<&'static Location<'static>>,
}

impl Awaited {
    /// What is known of a future that is polled here.
    fn polled(polled_at: &'static Location<'static>) -> Self {
        Self {
            polled_at,
            at: None,
        }
    }
}

/// What a scope is the execution of.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A tracked function, or a named scope.
    Function,
    /// A branch of its parent in a task of its own. It does not hold the handles of the scopes around it.
    Branch {
        /// Whether its parent awaits that task, and nothing else before.
        is_joined: bool,
    },
    /// The future that a test looks at. The outermost functions in it are roots.
    Test(Watched),
}

/// What a test looks at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched {
    /// Takes the findings instead of the log.
    pub(crate) collector: Option<Collector>,
    /// Takes the statements.
    pub(crate) record: Option<Record>,
}

/// A step on the way from a scope to those that wait for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outwards<'a> {
    pub(crate) scope: &'a Scope,
    /// The scope of the step before.
    pub(crate) below: Option<&'a Scope>,
    /// Whether it runs in the task of the first scope.
    pub(crate) in_task: bool,
}

/// What is judged when a scope ends.
#[derive(Debug, Default)]
struct Burden {
    /// The live handles that belong to the scope: their ids only, because a handle refers to its scope.
    handles: HandleIds,
    /// The connections that it was lent, and has used.
    borrowed: SmallVec<[Borrowed; 1]>,
    /// `None` in most scopes: a scope is made for most calls of a function, and should stay small.
    rare: Option<Box<Rare>>,
}

/// What only some scopes have.
#[derive(Debug, Default)]
struct Rare {
    /// The transactions that were dropped in the scope after they had written.
    lost: Vec<Lost>,
    /// The handles of no function that it has used.
    used_left: Vec<UseOfLeft>,
    /// The findings that it reports when it ends.
    postponed: Vec<Postponed>,
    /// What fails the test when the scope returns.
    failures: Failures,
}

impl Burden {
    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }
}

/// The use of a handle that has left its root scope, by a later one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UseOfLeft {
    pub(crate) handle: u64,
    /// Whether a function around the use is given a value to itself that may have the handle.
    pub(crate) is_given: bool,
}

/// A plain connection that a scope was lent by a handle.
///
/// The scope's future has the borrow, so the connection cannot move while the scope lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Borrowed {
    pub(crate) handle: u64,
    pub(crate) address: usize,
}

impl Scope {
    pub(crate) fn new(
        kind: Kind,
        function: &'static TrackedFn,
        parent: Option<Arc<Scope>>,
        awaited: Awaited,
    ) -> Arc<Self> {
        let id = MADE.fetch_add(1, Relaxed);
        let is_function = matches!(kind, Kind::Function);
        #[cfg(feature = "tower")]
        let spent = Spent::of(
            is_function && function.options().is_request(),
            parent.as_ref().and_then(|parent| parent.spent.as_ref()),
        );
        let parent = if is_function && function.options().is_root() {
            parent.and_then(test_around)
        } else {
            parent
        };
        let is_root = match kind {
            Kind::Test(_) => true,
            // What a test looks at is a root only for what runs in no function there.
            Kind::Function => parent.as_ref().is_none_or(|parent| parent.is_of_test()),
            Kind::Branch { .. } => false,
        };
        let budget = if is_function {
            config::query_budget(function, is_root).map(Budget::new)
        } else {
            None
        };
        if let Some(mut spare) = spare::take()
            && let Some(scope) = Arc::get_mut(&mut spare)
        {
            scope.id = id;
            scope.kind = kind;
            scope.function = function;
            scope.parent = parent;
            scope.is_root = is_root;
            scope.awaited = awaited;
            scope.budget = budget;
            #[cfg(feature = "tower")]
            {
                scope.spent = spent;
            }
            return spare;
        }
        Arc::new(Self {
            id,
            kind,
            function,
            parent,
            is_root,
            awaited,
            burden: Mutex::default(),
            statements: AtomicU64::new(0),
            budget,
            ledger: Ledger::default(),
            #[cfg(feature = "tower")]
            spent,
            ended: AtomicBool::new(false),
        })
    }

    /// Ends a scope that is [clean](Self::is_clean). If it is a function's and nothing else refers to it, the next scope of
    /// this thread takes its memory.
    pub(crate) fn end_clean(mut scope: Arc<Self>) {
        if let Some(ended) = Arc::get_mut(&mut scope)
            && let Kind::Function = ended.kind
            && let Ok(burden) = ended.burden.get_mut()
            && !burden.handles.spilled()
        {
            ENDED.fetch_add(1, Relaxed);
            ended.clear();
            spare::keep(scope);
        }
    }

    /// Makes a clean scope as a new one is, but for what [`new`](Self::new) sets.
    #[inline]
    fn clear(&mut self) {
        // Each field is named, so that a new one cannot be forgotten.
        let Self {
            id,
            kind: _,
            function: _,
            parent,
            is_root: _,
            awaited: _,
            // It is empty.
            burden: _,
            statements,
            budget: _,
            ledger,
            #[cfg(feature = "tower")]
            spent,
            // A clean scope is not told.
            ended: _,
        } = self;
        *id = SPARE;
        *parent = None;
        *statements = AtomicU64::new(0);
        ledger.clear();
        #[cfg(feature = "tower")]
        {
            *spent = None;
        }
    }

    /// A branch of `parent`, for a task of its own that takes the scope along at `carried_at`.
    pub(crate) fn branch(parent: Arc<Scope>, carried_at: &'static Location<'static>) -> Arc<Self> {
        let is_joined = parent.function.joins(carried_at);
        let kind = Kind::Branch { is_joined };
        Self::new(
            kind,
            parent.function,
            Some(parent),
            Awaited::polled(carried_at),
        )
    }

    /// A scope around what a test looks at.
    pub(crate) fn of_test(
        function: &'static TrackedFn,
        parent: Option<Arc<Scope>>,
        watched: Watched,
    ) -> Arc<Self> {
        Self::new(
            Kind::Test(watched),
            function,
            parent,
            Awaited::polled(Location::caller()),
        )
    }

    /// Whether a test looks at it, so that the outermost functions in it are roots.
    fn is_of_test(&self) -> bool {
        match self.kind {
            Kind::Test(_) => true,
            Kind::Branch { .. } => self.parent.as_ref().is_some_and(|it| it.is_of_test()),
            Kind::Function => false,
        }
    }

    /// Whether it is what a test looks at, and no function.
    pub(crate) fn is_test(&self) -> bool {
        matches!(self.kind, Kind::Test(_))
    }

    pub(crate) fn function(&self) -> &'static Function {
        self.function
    }

    /// The function with its counters.
    pub(crate) fn tracked_fn(&self) -> &'static TrackedFn {
        self.function
    }

    /// Where its future was polled when the scope was made: the `.await` in the user's code, or a place in the code of
    /// a combinator. Of a branch, where the scope was carried.
    pub(crate) fn polled_at(&self) -> &'static Location<'static> {
        self.awaited.polled_at
    }

    /// The `.await` that leads to it: the one that the attribute has marked, else where its future was polled.
    pub(crate) fn awaited_at(&self) -> &'static Location<'static> {
        self.awaited.at.unwrap_or(self.awaited.polled_at)
    }

    /// Counts a statement in this scope and in those around it. Returns those whose budget it exceeds, innermost first.
    ///
    /// `text` has its text if the tally stands for several, and [a test records it](Self::is_recorded).
    #[inline]
    pub(crate) fn count_statement(&self, tally: &'static Tally, text: Option<&str>) -> Vec<&Scope> {
        #[cfg(feature = "tower")]
        if let Some(spent) = &self.spent {
            spent.statement_begins();
        }
        // Nearly always empty: an empty vector allocates nothing.
        let mut exceeded = Vec::new();
        for scope in self.chain() {
            let before = scope.statements.fetch_add(1, Relaxed);
            if let Some(record) = scope.record() {
                record.note(tally, text);
            }
            if let Some(budget) = &scope.budget {
                budget.note(tally);
                if before == budget.limit {
                    exceeded.push(scope);
                }
            }
        }
        exceeded
    }

    pub(crate) fn budget(&self) -> Option<&Budget> {
        self.budget.as_ref()
    }

    /// This scope and those around it, innermost first.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &Scope> {
        std::iter::successors(Some(self), |scope| scope.parent.as_deref())
    }

    /// This scope and those around it up to its root scope, innermost first.
    fn chain_to_root(&self) -> impl Iterator<Item = &Scope> {
        std::iter::successors(Some(self), |scope| {
            let parent = scope.parent.as_deref();
            parent.filter(|_| !scope.is_root)
        })
    }

    /// Its root scope.
    #[inline]
    pub(crate) fn root(&self) -> &Scope {
        self.chain_to_root().last().unwrap_or(self)
    }

    /// What the request around it has spent, if there is one.
    #[cfg(feature = "tower")]
    #[inline]
    pub(crate) fn spent(&self) -> Option<&Spent> {
        self.spent.as_deref()
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// This scope and those around it that run in the same task, innermost first.
    pub(crate) fn chain_of_task(&self) -> impl Iterator<Item = &Scope> {
        std::iter::successors(Some(self), |scope| {
            let parent = scope.parent.as_deref();
            parent.filter(|_| !scope.is_branch())
        })
    }

    /// This scope and those that wait for it, innermost first: the scopes around it in the same task, and further out
    /// those that await that task.
    pub(crate) fn outwards(&self) -> impl Iterator<Item = Outwards<'_>> {
        let innermost = Outwards {
            scope: self,
            below: None,
            in_task: true,
        };
        std::iter::successors(Some(innermost), |step| {
            let scope = step.scope;
            let in_task = match scope.kind {
                Kind::Branch { is_joined: false } => return None,
                Kind::Branch { is_joined: true } => false,
                Kind::Function | Kind::Test(_) => step.in_task,
            };
            Some(Outwards {
                scope: scope.parent.as_deref()?,
                below: Some(scope),
                in_task,
            })
        })
    }

    /// Whether it runs in a task of its own, as a branch of its parent.
    pub(crate) fn is_branch(&self) -> bool {
        matches!(self.kind, Kind::Branch { .. })
    }

    /// What a test looks at around this scope, if one does.
    pub(crate) fn test(self: &Arc<Self>) -> Option<Arc<Self>> {
        let around = |scope: &Arc<Self>| scope.parent.clone();
        std::iter::successors(Some(Arc::clone(self)), around).find(|scope| scope.is_test())
    }

    /// The collector of this scope or the nearest one around it.
    pub(crate) fn collector(&self) -> Option<&Collector> {
        self.chain().find_map(|scope| match &scope.kind {
            Kind::Test(watched) => watched.collector.as_ref(),
            Kind::Function | Kind::Branch { .. } => None,
        })
    }

    fn record(&self) -> Option<&Record> {
        match &self.kind {
            Kind::Test(watched) => watched.record.as_ref(),
            Kind::Function | Kind::Branch { .. } => None,
        }
    }

    /// Whether a test records the statements of this scope.
    pub(crate) fn is_recorded(&self) -> bool {
        self.chain().any(|scope| scope.record().is_some())
    }

    /// Whether nothing is to be judged or given back when it ends.
    #[inline]
    pub(crate) fn is_clean(&self) -> bool {
        let burden = self.burden();
        burden.handles.is_empty()
            && burden.borrowed.is_empty()
            && burden.rare.is_none()
            && !self.ledger.has_lines()
    }

    /// The live handles that belong to it.
    pub(crate) fn handles(&self) -> HandleIds {
        self.burden().handles.clone()
    }

    /// The outermost function around it in the same task.
    pub(crate) fn outermost(&self) -> &Scope {
        let functions = self
            .chain_of_task()
            .filter(|scope| scope.function.has_body());
        functions.last().unwrap_or(self)
    }

    /// Records that it uses a handle that has left its root scope.
    pub(crate) fn note_use_of_left(&self, used: UseOfLeft) {
        let mut burden = self.burden();
        let all = &mut burden.rare().used_left;
        match all.iter_mut().find(|before| before.handle == used.handle) {
            Some(before) => before.is_given |= used.is_given,
            None => all.push(used),
        }
    }

    pub(crate) fn take_uses_of_left(&self) -> Vec<UseOfLeft> {
        let mut burden = self.burden();
        let rare = burden.rare.as_deref_mut();
        rare.map(|rare| std::mem::take(&mut rare.used_left))
            .unwrap_or_default()
    }

    /// Adds a handle, which belongs to the scope from now on.
    pub(crate) fn adopt(&self, handle: u64) {
        self.burden().handles.push(handle);
    }

    /// Removes a handle.
    pub(crate) fn forget(&self, handle: u64) {
        self.burden().handles.retain(|id| *id != handle);
    }

    /// Records a connection that it was lent.
    pub(crate) fn borrow(&self, borrowed: Borrowed) {
        let known = &mut self.burden().borrowed;
        if !known.contains(&borrowed) {
            known.push(borrowed);
        }
    }

    /// The connections that it was lent, and has used.
    pub(crate) fn borrowed(&self) -> SmallVec<[Borrowed; 1]> {
        self.burden().borrowed.clone()
    }

    /// The same, which are its own no longer.
    pub(crate) fn take_borrowed(&self) -> SmallVec<[Borrowed; 1]> {
        std::mem::take(&mut self.burden().borrowed)
    }

    /// Records a transaction that was dropped in it after it had written.
    pub(crate) fn lose(&self, lost: Lost) {
        let mut burden = self.burden();
        let lost_before = &mut burden.rare().lost;
        // A scope may live as long as the program: the list must not grow with it.
        if lost_before.len() < REMEMBERED {
            lost_before.push(lost);
        }
    }

    pub(crate) fn take_lost(&self) -> Vec<Lost> {
        let mut burden = self.burden();
        let rare = burden.rare.as_deref_mut();
        rare.map(|rare| std::mem::take(&mut rare.lost))
            .unwrap_or_default()
    }

    /// Keeps a finding that was made in a destructor, until the scope ends.
    pub(crate) fn postpone(&self, finding: Postponed) {
        let mut burden = self.burden();
        let postponed = &mut burden.rare().postponed;
        if postponed.len() < REMEMBERED {
            postponed.push(finding);
        }
    }

    pub(crate) fn take_postponed(&self) -> Vec<Postponed> {
        let mut burden = self.burden();
        let rare = burden.rare.as_deref_mut();
        rare.map(|rare| std::mem::take(&mut rare.postponed))
            .unwrap_or_default()
    }

    /// Leaves a failure with the nearest of this scope and those around it that is still running.
    pub(crate) fn fail(&self, failure: Failure) {
        let mut burden = self.burden();
        // Under the lock: whoever ends the scope takes its failures afterwards.
        if !self.has_ended() {
            return burden.rare().failures.keep(failure);
        }
        drop(burden);
        match self.running_parent() {
            Some(parent) => parent.fail(failure),
            None => failures::leave_unclaimed(failure),
        }
    }

    /// Takes the failures of a scope that has ended, as the message of one panic; `None` if there are none.
    pub(crate) fn take_failures(&self) -> Option<String> {
        self.drain_failures().into_message()
    }

    fn drain_failures(&self) -> Failures {
        let mut burden = self.burden();
        let rare = burden.rare.as_deref_mut();
        rare.map(|rare| std::mem::take(&mut rare.failures))
            .unwrap_or_default()
    }

    /// Passes the failures of a scope that has ended to the nearest one around it that is still running.
    pub(crate) fn pass_on_failures(&self) {
        // Its lock must not be held while another scope's is taken.
        let failures = self.drain_failures();
        for failure in failures {
            self.fail(failure);
        }
    }

    /// Ends the scope, and returns the handles that still belong to it.
    pub(crate) fn end(&self) -> HandleIds {
        self.ended.store(true, Relaxed);
        std::mem::take(&mut self.burden().handles)
    }

    /// The nearest scope around it that has not ended.
    pub(crate) fn running_parent(&self) -> Option<Arc<Scope>> {
        std::iter::successors(self.parent.clone(), |scope| scope.parent.clone())
            .find(|scope| !scope.has_ended())
    }

    /// Whether no scope around it is left to return, and it is not carried by a task that nobody may look at.
    pub(crate) fn is_outermost(&self) -> bool {
        !self.is_branch() && self.running_parent().is_none()
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Relaxed)
    }

    #[inline]
    fn burden(&self) -> MutexGuard<'_, Burden> {
        sync::lock(&self.burden)
    }

    /// The number of scopes alive.
    pub(crate) fn alive() -> u64 {
        // In this order, so that a scope that ends in between is not counted twice.
        let ended = ENDED.load(Relaxed);
        MADE.load(Relaxed).saturating_sub(ended)
    }
}

/// What a test looks at around a root, in the root's own task. A root is not part of the functions around it, but what a
/// test looks at is no function of the program.
fn test_around(scope: Arc<Scope>) -> Option<Arc<Scope>> {
    std::iter::successors(Some(scope), |scope| {
        // A function that has carried this branch is in another task.
        scope.parent.clone().filter(|_| !scope.is_branch())
    })
    .find(|scope| scope.is_of_test())
}

impl Innermost for Scope {
    fn step(&self) -> Step {
        Step {
            scope: self.id,
            function: self.function(),
            is_branch: self.is_branch(),
            awaited_at: self.awaited_at(),
        }
    }

    fn outer(&self) -> Option<u64> {
        self.parent.as_ref().map(|parent| parent.id)
    }

    fn path(&self) -> Path {
        common::path(self.chain_to_root().map(Scope::step))
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        // A failure that was left while the scope returned with nothing to judge.
        let burden = self.burden.get_mut();
        let rare = burden.ok().and_then(|burden| burden.rare.as_deref());
        if rare.is_some_and(|rare| !rare.failures.is_empty()) {
            self.ended.store(true, Relaxed);
            self.pass_on_failures();
        }
        if self.id != SPARE {
            ENDED.fetch_add(1, Relaxed);
        }
    }
}
