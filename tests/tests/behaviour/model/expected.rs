//! The model: the expected state of a pool, updated step by step.

use sqlx::leash::{self, Activity, ControlStats, HandleInfo, Snapshot};

/// The observed or expected state of a pool.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seen {
    pub(super) handles: Vec<SeenHandle>,
    pub(super) waiting: usize,
    pub(super) acquired: u64,
    pub(super) abandoned: u64,
    pub(super) failed: u64,
    pub(super) detached: u64,
    pub(super) leaked: u64,
    pub(super) control: ControlStats,
    pub(super) calls: u64,
    pub(super) ok: u64,
    pub(super) errors: u64,
    pub(super) cancelled: u64,
    pub(super) rows: u64,
    pub(super) findings: usize,
}

/// The observed or expected state of a handle.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SeenHandle {
    pub(super) activity: Activity,
    pub(super) depth: u32,
    pub(super) scope: Option<String>,
    pub(super) handed_up: Vec<String>,
    pub(super) reserved: bool,
    pub(super) statements: u64,
    pub(super) rows: u64,
}

impl From<HandleInfo> for SeenHandle {
    fn from(handle: HandleInfo) -> Self {
        Self {
            activity: handle.activity,
            depth: handle.transaction_depth,
            scope: handle.scope,
            handed_up: handle.handed_up,
            reserved: handle.reserved.is_some(),
            statements: handle.statements,
            rows: handle.stream_rows,
        }
    }
}

impl Seen {
    /// The tracker's state of a pool, with the counters of all call sites.
    pub(super) fn now(pool: &str, findings: usize) -> Self {
        let Snapshot {
            sites,
            handles,
            waiters,
            pools,
            ..
        } = leash::snapshot();
        let stats = pools.iter().find(|stats| stats.name == pool).unwrap();
        let handles: Vec<_> = handles
            .into_iter()
            .filter(|handle| handle.pool == pool)
            .map(SeenHandle::from)
            .collect();
        assert_eq!(stats.handles, handles.len() as u64);
        let sum = |count: fn(&leash::SiteStats) -> u64| sites.iter().map(count).sum();
        Self {
            handles,
            waiting: waiters.iter().filter(|waiter| waiter.pool == pool).count(),
            acquired: stats.acquired,
            abandoned: stats.abandoned,
            failed: stats.timeouts + stats.acquire_errors,
            detached: stats.detached,
            leaked: stats.leaked,
            control: stats.control,
            calls: sum(|site| site.calls),
            ok: sum(|site| site.ok),
            errors: sum(|site| site.errors),
            cancelled: sum(|site| site.cancelled),
            rows: sum(|site| site.rows_returned),
            findings,
        }
    }
}

/// Identifies a handle of the model: the number of its acquire.
pub(super) type Key = usize;

/// A running scope.
struct RunningScope {
    number: usize,
    name: String,
}

/// The model.
#[derive(Default)]
pub(super) struct Model {
    /// The expected state, except for the names of the scopes.
    pub(super) seen: Seen,
    /// For each expected handle: its key, and the number of the scope that owns it.
    owners: Vec<(Key, Option<usize>)>,
    scopes: Vec<RunningScope>,
    keys: usize,
    numbers: usize,
}

impl Model {
    /// Starts from the counters that earlier programs have left.
    pub(super) fn new(seen: Seen) -> Self {
        Self {
            seen,
            ..Self::default()
        }
    }

    pub(super) fn is_in_scope(&self) -> bool {
        !self.scopes.is_empty()
    }

    /// The name of the innermost scope.
    pub(super) fn scope(&self) -> String {
        self.scopes.last().unwrap().name.clone()
    }

    /// The number of permits in use, also of those that are lost for good.
    pub(super) fn held(&self) -> usize {
        self.owners.len()
    }

    pub(super) fn grant(&mut self) -> Key {
        let owner = self.scopes.last();
        self.seen.acquired += 1;
        self.seen.handles.push(SeenHandle {
            activity: Activity::Idle,
            depth: 0,
            scope: owner.map(|scope| scope.name.clone()),
            handed_up: Vec::new(),
            reserved: false,
            statements: 0,
            rows: 0,
        });
        self.keys += 1;
        self.owners
            .push((self.keys, owner.map(|scope| scope.number)));
        self.keys
    }

    fn position(&self, key: Key) -> usize {
        let is_it = |(other, _): &(Key, _)| *other == key;
        self.owners.iter().position(is_it).unwrap()
    }

    pub(super) fn handle(&mut self, key: Key) -> &mut SeenHandle {
        let position = self.position(key);
        &mut self.seen.handles[position]
    }

    pub(super) fn release(&mut self, key: Key) {
        let position = self.position(key);
        self.owners.remove(position);
        self.seen.handles.remove(position);
    }

    /// A statement on a handle has ended.
    pub(super) fn statement(&mut self, key: Key, rows: u64, ok: bool) {
        let handle = self.handle(key);
        handle.activity = Activity::Idle;
        handle.statements += 1;
        handle.rows = 0;
        self.seen.calls += 1;
        self.seen.rows += rows;
        *(if ok {
            &mut self.seen.ok
        } else {
            &mut self.seen.errors
        }) += 1;
    }

    /// A transaction or a savepoint begins.
    pub(super) fn begin(&mut self, key: Key) {
        let handle = self.handle(key);
        handle.activity = Activity::Idle;
        handle.depth += 1;
        let outermost = handle.depth == 1;
        let control = &mut self.seen.control;
        *(if outermost {
            &mut control.begins
        } else {
            &mut control.savepoints
        }) += 1;
    }

    pub(super) fn end(&mut self, key: Key, count: fn(&mut ControlStats) -> &mut u64) {
        *count(&mut self.seen.control) += 1;
        let handle = self.handle(key);
        handle.activity = Activity::Idle;
        handle.depth -= 1;
    }

    pub(super) fn enter(&mut self, name: String) {
        self.numbers += 1;
        self.scopes.push(RunningScope {
            number: self.numbers,
            name,
        });
    }

    /// The innermost scope ends, and its handles pass to the scope around it.
    pub(super) fn leave_handing_up(&mut self) {
        let ended = self.scopes.pop().unwrap();
        let next = self
            .scopes
            .last()
            .map(|scope| (scope.number, scope.name.clone()));
        self.disown(&ended, next.as_ref());
    }

    /// The innermost scope ends, and each of its handles is reported, except reserved ones.
    pub(super) fn leave_holding_nothing(&mut self) {
        let ended = self.scopes.pop().unwrap();
        self.seen.findings += self.disown(&ended, None);
    }

    fn disown(&mut self, ended: &RunningScope, next: Option<&(usize, String)>) -> usize {
        let mut unreserved = 0;
        for ((_, owner), handle) in self.owners.iter_mut().zip(&mut self.seen.handles) {
            if *owner == Some(ended.number) {
                *owner = next.map(|(number, _)| *number);
                handle.scope = next.map(|(_, name)| name.clone());
                handle.handed_up.push(ended.name.clone());
                unreserved += usize::from(!handle.reserved);
            }
        }
        unreserved
    }
}
