//! The `metrics` facade: an observer that records each end, whatever the recorder.

use metrics::{Label, counter, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use sqlx::leash::observed::{Closed, Hold, Opened, PoolRef, Statement, Wait, WaitOutcome};
use sqlx::leash::{self, Finding, Observer};

use crate::{ROWS, SECONDS};

/// Records what ends by the macros of `metrics`.
#[derive(Debug)]
pub struct Metrics;

/// Installs the Prometheus exporter as the recorder of the process, and observes.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let rows = Matcher::Full("db_client_response_returned_rows".to_owned());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(rows, &ROWS)?
        .install_recorder()?;
    leash::observe(Metrics);
    Ok(handle)
}

fn of(pool: &PoolRef<'_>) -> Label {
    Label::new("db_client_connection_pool_name", pool.label.to_owned())
}

impl Observer for Metrics {
    fn statement(&self, it: &Statement<'_>) {
        let mut labels = vec![
            Label::new("db_system_name", it.system.to_owned()),
            Label::new("db_operation_name", it.operation.to_owned()),
            Label::new("db_query_summary", it.summary.to_owned()),
        ];
        labels.extend(it.pool.as_ref().map(of));
        if let Some(error) = it.error_type() {
            labels.push(Label::new("error_type", error.into_owned()));
        } else {
            #[expect(clippy::cast_precision_loss, reason = "the exporter takes floats")]
            histogram!("db_client_response_returned_rows", labels.clone())
                .record(it.rows_returned as f64);
        }
        histogram!("db_client_operation_duration_seconds", labels).record(it.time);
    }

    fn wait(&self, it: &Wait<'_>) {
        let labels = vec![of(&it.pool)];
        match it.outcome {
            WaitOutcome::Granted => {
                histogram!("db_client_connection_wait_time_seconds", labels).record(it.time);
            }
            WaitOutcome::TimedOut => {
                counter!("db_client_connection_timeouts_total", labels).increment(1);
            }
            _ => {}
        }
    }

    fn hold(&self, it: &Hold<'_>) {
        if it.reserved.is_none() {
            let labels = vec![of(&it.pool)];
            histogram!("db_client_connection_use_time_seconds", labels).record(it.time());
        }
    }

    fn opened(&self, it: &Opened<'_>) {
        let labels = vec![of(&it.pool)];
        if let Some(time) = it.time {
            histogram!("db_client_connection_create_time_seconds", labels.clone()).record(time);
        }
        counter!("sqlx_leash_connections_opened_total", labels).increment(1);
    }

    fn closed(&self, it: &Closed<'_>) {
        let labels = vec![of(&it.pool), Label::new("cause", it.cause.name())];
        counter!("sqlx_leash_connections_closed_total", labels).increment(1);
    }

    fn finding(&self, finding: &Finding) {
        let labels = vec![
            Label::new("lint", finding.lint.name()),
            Label::new("level", finding.level.name()),
        ];
        counter!("sqlx_leash_findings_total", labels).increment(1);
    }
}
