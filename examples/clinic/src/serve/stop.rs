//! The end of the service: the signals, what is waited for, and who still holds what.

use std::fmt;
use std::io;
use std::time::Duration;

use sqlx::AnyPool;
use sqlx::leash::{self, SiteHandles};
use tokio::sync::watch;
use tokio::time::sleep;

/// The signals that stop the service.
#[derive(Debug)]
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// From now on, they do not end the process.
    #[cfg(unix)]
    pub(super) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one, and returns its name.
    #[cfg(unix)]
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "on Unix, it may fail")]
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    pub(super) async fn next(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}

/// Waits until the service is told to stop.
pub(super) async fn told(mut stopping: watch::Receiver<bool>) {
    // Where nobody can tell any more, the service has ended.
    let _ = stopping.wait_for(|&stop| stop).await;
}

/// Waits until no connection of the clinic is in use.
pub(super) async fn released(pool: &AnyPool) {
    while in_use(pool) > 0 || !leash::snapshot().handles.is_empty() {
        sleep(Duration::from_millis(20)).await;
    }
}

fn in_use(pool: &AnyPool) -> usize {
    (pool.size() as usize).saturating_sub(pool.num_idle())
}

/// What was not back in time.
#[derive(Debug)]
pub(super) struct Left {
    after: Duration,
    /// The handles that are tracked, by place.
    held: Vec<SiteHandles>,
    /// The connections of the clinic's pool that are in use, as sqlx counts them.
    in_use: usize,
    is_tracked: bool,
}

impl Left {
    /// What is held now, some time after the signal.
    pub(super) fn now(pool: &AnyPool, after: Duration) -> Self {
        let snapshot = leash::snapshot();
        Self {
            after,
            held: snapshot.by_site(),
            in_use: in_use(pool),
            is_tracked: !snapshot.pools.is_empty(),
        }
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = self.after.as_secs_f64();
        writeln!(f, "stopped: after {after:.1} s, not everything was back")?;
        for row in &self.held {
            held(f, row)?;
        }
        if self.held.is_empty() && self.in_use == 0 {
            writeln!(
                f,
                "  no connection is in use; a request was not answered yet"
            )?;
        } else if self.held.is_empty() {
            let why = if self.is_tracked {
                "they are on their way back"
            } else {
                "nothing is tracked"
            };
            writeln!(
                f,
                "  connections in use: {}; nobody is known to hold them: {why}",
                self.in_use
            )?;
        }
        Ok(())
    }
}

fn held(f: &mut fmt::Formatter<'_>, row: &SiteHandles) -> fmt::Result {
    let holder = row
        .site
        .function
        .as_deref()
        .unwrap_or("code without #[track]");
    let permits = if row.handles == 1 {
        "permit"
    } else {
        "permits"
    };
    write!(
        f,
        "  {holder} holds {} {permits} of pool {}, taken at {}, for {:.1} s",
        row.handles,
        row.pool,
        row.site,
        row.oldest.as_secs_f64()
    )?;
    if row.in_transaction > 0 {
        write!(f, ", {} in a transaction", row.in_transaction)?;
    }
    if row.idle_now > 0 {
        write!(f, ", {} idle", row.idle_now)?;
    }
    writeln!(f)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_nothing_held(in_use: usize, is_tracked: bool, expected: &str) {
        let left = Left {
            after: Duration::from_millis(5020),
            held: Vec::new(),
            in_use,
            is_tracked,
        };
        let expected = format!("stopped: after 5.0 s, not everything was back\n  {expected}\n");
        assert_eq!(left.to_string(), expected);
    }

    #[test]
    fn what_is_left_though_no_handle_is_known() {
        check_nothing_held(
            0,
            true,
            "no connection is in use; a request was not answered yet",
        );
        check_nothing_held(
            2,
            true,
            "connections in use: 2; nobody is known to hold them: they are on their way back",
        );
        check_nothing_held(
            1,
            false,
            "connections in use: 1; nobody is known to hold them: nothing is tracked",
        );
    }
}
