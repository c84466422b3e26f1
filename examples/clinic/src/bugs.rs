//! Failures to play: code as it was written in good faith, each in a file of its own.

mod budget;
mod churn;
mod deadlock;
mod failed_transaction;
mod forgotten_commit;
mod forgotten_transaction;
mod half_read_stream;
mod hoarder;
mod http_in_transaction;
mod n_plus_one;
mod nested_acquire;
mod outside_transaction;
mod pool_per_request;
mod redundant_query;
mod session_state;
mod silent_peer;
mod slow_consumer;
mod stored_connection;
mod two_pool_deadlock;
mod wrong_port;

use clap::ValueEnum;

use crate::clinic::Clinic;
use crate::error::Error;

/// The values that a bug still holds after it was played. They are dropped after the report, as a service keeps its state
/// until it stops.
pub(crate) type Held<'c> = Box<dyn Send + 'c>;

/// The failures that `--bug` plays.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Bug {
    /// Numbering keeps the transaction of an incomplete batch in a list: `outlived_scope`
    ForgottenTransaction,
    /// A live display keeps the stream from which it read one row: `outlived_scope`
    HalfReadStream,
    /// A repository keeps a connection of the pool to use it again: `outlived_scope`
    StoredConnection,
    /// A printout asks the pool for readings while it holds a connection: `nested_acquire`
    NestedAcquire,
    /// Two devices each hold the connection that the other waits for: `pool_deadlock`
    Deadlock,
    /// Archiving and fetching back take two pools in opposite order: `pool_deadlock`
    TwoPoolDeadlock,
    /// A plotter changes its paper while rows wait for it: `held_idle`
    SlowConsumer,
    /// A request to another service runs inside a transaction: `held_idle`
    HttpInTransaction,
    /// A label is read from the pool while its number is still in a transaction: `outside_transaction`
    OutsideTransaction,
    /// A correction of readings ends without its commit: `implicit_rollback`
    ForgottenCommit,
    /// An INSERT fails, nobody looks at its error, and a calibration is lost: `failed_transaction`
    FailedTransaction,
    /// An import returns early, after it has begun a transaction by a text: `session_state`
    SessionState,
    /// The archive's URL names a port where no server listens: `pool_timeout`, unreachable
    WrongPort,
    /// Two screens keep the connections that the reception needs: `pool_timeout`, hoarder
    Hoarder,
    /// A server goes silent, and a connection never comes back: `unaccounted_connections`
    SilentPeer,
    /// A portal opens a pool for each patient who logs in: `duplicate_pool`
    PoolPerRequest,
    /// A display closes its connection after each question: `connection_churn`
    Churn,
    /// An overview with a budget sends a query for each exam: `query_budget`
    Budget,
    /// The list of the day asks for each of its records: `n_plus_one`
    NPlusOne,
    /// A contact looks its exam up for every record: `redundant_query`; `--cache` cures it
    RedundantQuery,
}

impl Bug {
    pub(crate) async fn play(self, clinic: &Clinic) -> Result<Held<'_>, Error> {
        match self {
            Bug::ForgottenTransaction => forgotten_transaction::play(clinic).await,
            Bug::HalfReadStream => half_read_stream::play(clinic).await,
            Bug::StoredConnection => stored_connection::play(clinic).await,
            Bug::NestedAcquire => nested_acquire::play(clinic).await,
            Bug::Deadlock => deadlock::play(clinic).await,
            Bug::TwoPoolDeadlock => two_pool_deadlock::play(clinic).await,
            Bug::SlowConsumer => slow_consumer::play(clinic).await,
            Bug::HttpInTransaction => http_in_transaction::play(clinic).await,
            Bug::OutsideTransaction => outside_transaction::play(clinic).await,
            Bug::ForgottenCommit => forgotten_commit::play(clinic).await,
            Bug::FailedTransaction => failed_transaction::play(clinic).await,
            Bug::SessionState => session_state::play(clinic).await,
            Bug::WrongPort => wrong_port::play(clinic).await,
            Bug::Hoarder => hoarder::play(clinic).await,
            Bug::SilentPeer => silent_peer::play(clinic).await,
            Bug::PoolPerRequest => pool_per_request::play(clinic).await,
            Bug::Churn => churn::play(clinic).await,
            Bug::Budget => budget::play(clinic).await,
            Bug::NPlusOne => n_plus_one::play(clinic).await,
            Bug::RedundantQuery => redundant_query::play(clinic).await,
        }
    }
}

/// The value of a bug that holds nothing after it was played.
fn nothing<'c>() -> Held<'c> {
    Box::new(())
}

/// Returns the outcome, or nothing where no connection was free: a client that is not served does not stop the service.
fn serve<T>(client: &str, outcome: sqlx::Result<T>) -> Result<Option<T>, Error> {
    match outcome {
        Ok(served) => Ok(Some(served)),
        Err(sqlx::Error::PoolTimedOut) => {
            eprintln!("{client} was not served: {}", sqlx::Error::PoolTimedOut);
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
