//! Scopes: one execution of a tracked function each, and what it holds.

use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;

use crate::config;
use crate::handle::{Handle, Lost};
use crate::lint::Collector;
use crate::site::Function;
use crate::tally::Tally;

/// A scope rarely holds more than one or two at a time.
type Handles = SmallVec<[Arc<Handle>; 2]>;

/// Scopes alive.
static ALIVE: AtomicU64 = AtomicU64::new(0);

/// One execution of a tracked function, from its first statement or handle on.
#[derive(Debug)]
pub(crate) struct Scope {
    function: &'static Function,
    parent: Option<Arc<Scope>>,
    polled_at: &'static Location<'static>,
    /// Locked after a handle's state, never before.
    burden: Mutex<Burden>,
    statements: AtomicU64,
    budget: Option<Budget>,
    /// It runs in a task of its own, whose handles are not those of the scopes around.
    is_branch: bool,
    /// A test looks at what is inside: the outermost functions there are roots.
    is_of_test: bool,
    ended: AtomicBool,
    /// Hears of the findings in this scope, instead of the log.
    collector: Option<Collector>,
}

/// What is judged when a scope ends.
#[derive(Debug, Default)]
struct Burden {
    /// Live handles that belong to the scope.
    handles: Handles,
    /// Transactions that had written and were dropped in it.
    lost: Vec<Lost>,
}

/// How many statements a scope may send, and which it has sent.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) limit: u64,
    /// Each text and place once, with how often.
    sent: Mutex<Vec<(&'static Tally, u64)>>,
}

/// A scope remembers so many lost transactions, and a budget so many different statements.
const REMEMBERED: usize = 16;

impl Scope {
    /// A scope whose future is polled at that place.
    pub(crate) fn polled(
        function: &'static Function,
        parent: Option<Arc<Scope>>,
        polled_at: &'static Location<'static>,
    ) -> Arc<Self> {
        Arc::new(Self::new(function, parent, polled_at))
    }

    /// A scope around what a test looks at. It has no budget, and is nobody's root scope.
    pub(crate) fn of_test(
        function: &'static Function,
        parent: Option<Arc<Scope>>,
        collector: Option<Collector>,
    ) -> Arc<Self> {
        let mut scope = Self::new(function, parent, Location::caller());
        scope.budget = None;
        scope.is_of_test = true;
        scope.collector = collector;
        Arc::new(scope)
    }

    /// A branch of a scope, in a task of its own: what it takes is its own.
    pub(crate) fn branch(parent: Arc<Scope>) -> Arc<Self> {
        let mut scope = Self::new(parent.function, None, Location::caller());
        scope.budget = None;
        scope.is_branch = true;
        scope.is_of_test = parent.is_of_test;
        scope.parent = Some(parent);
        Arc::new(scope)
    }

    fn new(
        function: &'static Function,
        parent: Option<Arc<Scope>>,
        polled_at: &'static Location<'static>,
    ) -> Self {
        ALIVE.fetch_add(1, Relaxed);
        let parent = parent.filter(|_| !function.is_root());
        let is_root = parent.as_ref().is_none_or(|parent| parent.is_of_test);
        Self {
            function,
            parent,
            polled_at,
            burden: Mutex::default(),
            statements: AtomicU64::new(0),
            budget: config::query_budget(function, is_root).map(Budget::new),
            is_branch: false,
            is_of_test: false,
            ended: AtomicBool::new(false),
            collector: None,
        }
    }

    pub(crate) fn function(&self) -> &'static Function {
        self.function
    }

    /// Where its future was polled when the scope was made: the `.await` in the user's code, or a place in the code of
    /// whoever stands between.
    pub(crate) fn polled_at(&self) -> &'static Location<'static> {
        self.polled_at
    }

    pub(crate) fn statements(&self) -> u64 {
        self.statements.load(Relaxed)
    }

    /// Counts a statement here and in every scope around; gives those whose budget it breaks, innermost first.
    pub(crate) fn count_statement(&self, tally: &'static Tally) -> Vec<&Scope> {
        // Nearly always empty, and then nothing is allocated.
        let mut broken = Vec::new();
        for scope in self.chain() {
            let before = scope.statements.fetch_add(1, Relaxed);
            if let Some(budget) = &scope.budget {
                budget.note(tally);
                if before == budget.limit {
                    broken.push(scope);
                }
            }
        }
        broken
    }

    pub(crate) fn budget(&self) -> Option<&Budget> {
        self.budget.as_ref()
    }

    /// This scope and those around it, innermost first.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &Scope> {
        std::iter::successors(Some(self), |scope| scope.parent.as_deref())
    }

    /// This scope and those around it that run in the same task, innermost first.
    pub(crate) fn chain_of_task(&self) -> impl Iterator<Item = &Scope> {
        std::iter::successors(Some(self), |scope| {
            scope.parent.as_deref().filter(|_| !scope.is_branch)
        })
    }

    /// The collector of this scope or the nearest one around it.
    pub(crate) fn collector(&self) -> Option<&Collector> {
        self.chain().find_map(|scope| scope.collector.as_ref())
    }

    /// Whether there is something to judge when it ends.
    pub(crate) fn is_clean(&self) -> bool {
        let burden = self.burden();
        burden.handles.is_empty() && burden.lost.is_empty()
    }

    /// The live handles that belong to this scope.
    pub(crate) fn held(&self) -> Vec<Arc<Handle>> {
        self.burden().handles.to_vec()
    }

    /// A transaction that had written was dropped here.
    pub(crate) fn lose(&self, lost: Lost) {
        let lost_before = &mut self.burden().lost;
        // A scope that lives as long as the program must not collect them.
        if lost_before.len() < REMEMBERED {
            lost_before.push(lost);
        }
    }

    pub(crate) fn take_lost(&self) -> Vec<Lost> {
        std::mem::take(&mut self.burden().lost)
    }

    pub(crate) fn adopt(&self, handle: Arc<Handle>) {
        self.burden().handles.push(handle);
    }

    pub(crate) fn forget(&self, id: u64) {
        self.burden().handles.retain(|handle| handle.id() != id);
    }

    fn burden(&self) -> MutexGuard<'_, Burden> {
        self.burden.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the scope and gives the handles that it still holds and that nobody said are meant to live on.
    ///
    /// They belong to no scope any more.
    pub(crate) fn end_holding_nothing(&self) -> Vec<Arc<Handle>> {
        let handles = self.end();
        for handle in &handles {
            handle.hand_to(None, self);
        }
        handles
            .into_iter()
            .filter(|handle| handle.is_alive() && !handle.is_reserved())
            .collect()
    }

    /// Ends the scope; its live handles pass to the scope around it that is still running, if there is one.
    pub(crate) fn end_handing_up(&self) {
        let next = std::iter::successors(self.parent.clone(), |scope| scope.parent.clone())
            .find(|scope| !scope.ended.load(Relaxed));
        for handle in self.end() {
            handle.hand_to(next.clone(), self);
        }
    }

    fn end(&self) -> Handles {
        self.ended.store(true, Relaxed);
        std::mem::take(&mut self.burden().handles)
    }

    /// How many scopes are alive.
    pub(crate) fn alive() -> u64 {
        ALIVE.load(Relaxed)
    }
}

impl Budget {
    fn new(limit: u64) -> Self {
        Self {
            limit,
            sent: Mutex::default(),
        }
    }

    fn note(&self, tally: &'static Tally) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let known = sent
            .iter()
            .position(|(known, _)| std::ptr::eq(*known, tally));
        match known {
            Some(at) => sent[at].1 += 1,
            None if sent.len() < REMEMBERED => sent.push((tally, 1)),
            None => {}
        }
    }

    /// What was sent, in the order of first use, with how often.
    pub(crate) fn sent(&self) -> Vec<(&'static Tally, u64)> {
        self.sent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Relaxed);
    }
}
