//! A handle as plain data.

use std::time::Instant;

use super::failure::Failure;
use super::loan::Loan;
use super::{Handle, Standing, State};
use crate::pool_state::aftermath::Aftermath;
use crate::snapshot::{
    Activity, HandleInfo, TransactionFailure, TransactionInfo, WaiterInfo, WriteLockInfo,
};
use crate::source::place::Place;

impl Handle {
    pub(crate) fn read(&self, now: Instant) -> HandleInfo {
        let state = self.state();
        let hold = state.hold(&self.stream, now);
        let owner = &state.owner;
        HandleInfo {
            id: self.id,
            pool: self.pool.name().to_string(),
            pool_id: self.pool.id(),
            site: self.place.to_call_site(),
            scope: owner
                .scope
                .as_ref()
                .map(|scope| scope.function().name().to_owned()),
            handed_up: owner
                .handed_up_by
                .iter()
                .map(|function| function.name().to_owned())
                .collect(),
            span: span_name(&self.span),
            task: self.task,
            age: now.saturating_duration_since(match state.standing {
                Standing::Waiting => self.asked,
                Standing::Held(since) | Standing::Returning(since) => since,
            }),
            activity: state.activity,
            idle: (state.activity == Activity::Idle)
                .then(|| now.saturating_duration_since(state.since)),
            busy_total: hold.busy,
            idle_total: hold.idle,
            lent_total: hold.lent,
            lent_to: state.loan.as_ref().and_then(Loan::read),
            transaction_depth: u32::try_from(state.transactions.len()).unwrap_or(u32::MAX),
            transaction: state.read_transaction(now),
            session_locks: state.session_locks(),
            statements: state.statements,
            stream_rows: self.stream.rows(),
            reserved: self.reserved.get().cloned(),
            operations: state.operations.iter().map(|done| done.read(now)).collect(),
        }
    }

    pub(super) fn read_waiter(&self, now: Instant) -> WaiterInfo {
        let scope = self.scope();
        let function = scope.as_ref().map(|scope| scope.function());
        WaiterInfo {
            pool: self.pool.name().to_string(),
            pool_id: self.pool.id(),
            site: self.place.to_call_site(),
            scope: function
                .or(self.place.function)
                .map(|function| function.name().to_owned()),
            span: span_name(&self.span),
            task: self.task,
            age: self.has_waited(now),
        }
    }
}

impl State {
    fn read_transaction(&self, now: Instant) -> Option<TransactionInfo> {
        let open = self.open_transaction()?;
        let failure = self.failure().map(|failure| failure.read(now));
        Some(TransactionInfo {
            site: open.place.to_call_site(),
            age: now.saturating_duration_since(open.when),
            by_statement: open.text.is_some(),
            statements: open.statements,
            failure,
            write_lock: open.write_lock.map(|lock| WriteLockInfo {
                age: now.saturating_duration_since(lock.since),
                certain: lock.is_sure && !open.ran_unseen,
            }),
        })
    }
}

impl Failure {
    fn read(&self, now: Instant) -> TransactionFailure {
        TransactionFailure {
            statement: self.statement.clone(),
            site: self.place.map(Place::to_call_site),
            code: self.code.clone(),
            age: now.saturating_duration_since(self.when),
            rolled_back: self.aftermath != Aftermath::Refused,
        }
    }
}

/// The span's name; `None` if no subscriber has enabled the span.
fn span_name(span: &tracing::Span) -> Option<String> {
    span.metadata().map(|metadata| metadata.name().to_owned())
}
