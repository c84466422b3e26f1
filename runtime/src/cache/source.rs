//! The statement that a value came from. The reads that the value answers count there, as saved.

use std::future::Future;
use std::pin::Pin;

#[cfg(feature = "track")]
use crate::site::{latest, tally::Tally};

/// Where a loader has its value from. Without `track`, statements have no counters.
#[derive(Clone, Copy)]
pub(super) struct Source {
    /// The statement that it sent last; `None` if it sent none that is counted.
    #[cfg(feature = "track")]
    sent: Option<&'static Tally>,
}

/// Runs a loader.
pub(super) async fn noting<F: Future>(loader: Pin<&mut F>) -> (F::Output, Source) {
    #[cfg(feature = "track")]
    {
        let (output, sent) = latest::noting(loader).await;
        (output, Source { sent })
    }
    #[cfg(not(feature = "track"))]
    (loader.await, Source {})
}

/// Counts a read that was answered without its loader.
pub(super) fn count_saved(source: Source) {
    #[cfg(feature = "track")]
    if let Some(tally) = source.sent {
        tally.save();
    }
    #[cfg(not(feature = "track"))]
    let Source {} = source;
}
