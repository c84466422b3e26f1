//! Failures to play: code as it was written in good faith, each in a file of its own.

mod forgotten_transaction;
mod half_read_stream;
mod stored_connection;

use clap::ValueEnum;

use crate::clinic::Clinic;
use crate::error::Error;

/// What a bug still holds after it was played. The report comes before it is dropped, as a service keeps its state
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
}

impl Bug {
    pub(crate) async fn play(self, clinic: &Clinic) -> Result<Held<'_>, Error> {
        match self {
            Bug::ForgottenTransaction => forgotten_transaction::play(clinic).await,
            Bug::HalfReadStream => half_read_stream::play(clinic).await,
            Bug::StoredConnection => stored_connection::play(clinic).await,
        }
    }
}
