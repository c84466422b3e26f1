//! Statements, by pool and operation.

use super::exposition::{Exposition, Family, Kind, Label, Series};
use crate::pool_state::operations::Ended;
use crate::pool_state::read;
use crate::site::tally::{self, Outcome};
use crate::snapshot::PoolStats;

const DURATION: Family = Family {
    name: "db_client_operation_duration_seconds",
    kind: Kind::Histogram,
    help: "Duration of database client operations.",
};
const RETURNED_ROWS: Family = Family {
    name: "db_client_response_returned_rows",
    kind: Kind::Histogram,
    help: "The actual number of records returned by the database operation.",
};
const SAVED: Family = Family {
    name: "sqlx_leash_statements_saved_total",
    kind: Kind::Counter,
    help: "Statements that were not sent, because a cache had their result.",
};

/// The statements of one pool; without a label, those on connections that belong to no pool.
struct OfPool {
    system: &'static str,
    pool: String,
    ended: Vec<Ended>,
}

pub(super) fn write(exposition: &mut Exposition, pools: &[&PoolStats]) {
    let all = read_all(pools);
    write_each(
        exposition.family(DURATION),
        &all,
        |series, labels, ended| {
            series.times(labels, &ended.by_time, ended.time.as_secs_f64());
        },
    );
    write_each(
        exposition.family(RETURNED_ROWS),
        &all,
        |series, labels, ended| {
            series.rows(labels, &ended.by_rows, ended.rows);
        },
    );
    exposition.family(SAVED).value(&[], tally::saved());
}

fn read_all(pools: &[&PoolStats]) -> Vec<OfPool> {
    let of_pools = read::operations().into_iter().filter_map(|(state, ended)| {
        let pool = pools.iter().find(|pool| pool.id == state.id())?;
        Some(OfPool {
            system: state.endpoint.system.name(),
            pool: pool.label.clone(),
            ended,
        })
    });
    let of_none = read::operations_without_pool().into_iter();
    let of_none = of_none.map(|(system, ended)| OfPool {
        system,
        pool: String::new(),
        ended,
    });
    of_pools.chain(of_none).collect()
}

fn write_each(
    mut series: Series<'_>,
    all: &[OfPool],
    write: impl Fn(&mut Series<'_>, &[Label<'_>], &Ended),
) {
    for of_pool in all {
        for ended in &of_pool.ended {
            let labels = [
                ("db_system_name", of_pool.system),
                ("db_client_connection_pool_name", &of_pool.pool),
                ("db_operation_name", ended.operation.name()),
                ("error_type", error_type(ended.outcome)),
            ];
            write(&mut series, &labels, ended);
        }
    }
}

/// What the conventions call the class of an error. The single errors are not kept apart: `_OTHER` is their word for that.
fn error_type(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "",
        Outcome::Error => "_OTHER",
        Outcome::Cancelled => "cancelled",
    }
}
