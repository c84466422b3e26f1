//! A handle as plain data.

use std::time::Instant;

use super::{Done, Handle, Standing, What};
use crate::site::{Place, Site};
use crate::snapshot::{Activity, HandleInfo, Operation, WaiterInfo};

impl Handle {
    pub(crate) fn read(&self, now: Instant) -> HandleInfo {
        let state = self.state();
        let hold = state.hold(&self.stream, now);
        let owner = &state.owner;
        HandleInfo {
            id: self.id,
            pool: self.pool.name().to_string(),
            site: self.place.to_call_site(),
            scope: owner
                .scope
                .as_ref()
                .map(|scope| scope.function().name().to_owned()),
            handed_up: owner
                .way
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
            transaction_depth: u32::try_from(state.transactions.len()).unwrap_or(u32::MAX),
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

/// The span's name, where a subscriber takes it.
fn span_name(span: &tracing::Span) -> Option<String> {
    span.metadata().map(|metadata| metadata.name().to_owned())
}

impl Done {
    fn read(&self, now: Instant) -> Operation {
        let (summary, place) = match &self.what {
            What::Statement(tally) => (tally.summary.clone(), tally.place()),
            What::Control(control, site) => (control.name().to_owned(), site.map(Site::place)),
        };
        Operation {
            summary,
            site: place.map(Place::to_call_site),
            age: now.saturating_duration_since(self.when),
        }
    }
}
