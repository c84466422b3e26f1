//! The clinic as a service: devices deliver over HTTP, and a page shows what the connections do.

mod letter;
mod load;
mod refusal;
mod routes;
mod stop;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sqlx::leash;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use crate::args::Args;
use crate::bugs::{Bug, Held};
use crate::clinic::Clinic;
use crate::database::Database;
use crate::device;
use crate::error::{self, Error};
use crate::progress::Progress;
use crate::report;

use self::load::Load;
use self::stop::{Left, Signals};

/// The time between two plays of a bug.
const PAUSE: Duration = Duration::from_secs(5);

/// Serves until a signal comes. Returns whether not everything was back within `--grace` then.
pub(crate) async fn run(args: &Args, address: &str) -> Result<bool, Error> {
    // First what fails soonest, and the signals before anybody is told that the service is there.
    let (listener, address) = listen(address).await.map_err(|source| Error::Listen {
        address: address.to_owned(),
        source,
    })?;
    let mut signals = Signals::listen().map_err(Error::Signal)?;
    let database = Database::open(args).await?;
    let clinic = Arc::new(Clinic::new(&database, args.cache));

    let (stop, stopping) = watch::channel(false);
    let server = axum::serve(listener, routes::all(&clinic))
        .with_graceful_shutdown(stop::told(stopping.clone()));
    let server = tokio::spawn(server.into_future());
    announce(address);
    if let Some(bug) = args.bug {
        tokio::spawn(play(bug, clinic, stopping.clone()));
    }
    let load = args.load.map(Duration::from_secs);
    let load = load.map(|time| Load::start(address, args.devices, time, &stopping));

    let signal = signals.next().await;
    let grace = args.grace;
    eprintln!("{signal}: waiting up to {grace} s for requests to end and connections to come back");
    stop.send_replace(true);
    let ended = async {
        if let Some(load) = load {
            load.ended().await;
        }
        // It cannot fail: an error of `accept` is waited out.
        let _ = server.await;
    };
    Ok(end(ended, database, args).await)
}

async fn listen(address: &str) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Waits until `requests` have ended and every connection is back, reports, and returns whether not all of it came.
async fn end(requests: impl Future<Output = ()>, database: Database, args: &Args) -> bool {
    let asked = Instant::now();
    let end = asked + Duration::from_secs(args.grace);
    let all = async {
        requests.await;
        stop::released(&database.store.pool).await;
    };
    let is_late = timeout_at(end, all).await.is_err();
    report::at_the_end(args);
    if is_late {
        eprint!("{}", Left::now(&database.store.pool, asked.elapsed()));
    } else {
        // Where nothing is tracked, the pools of single parts of the clinic are not known.
        let whose = if leash::snapshot().pools.is_empty() {
            " of pool clinic"
        } else {
            ""
        };
        // Nobody is to take a connection any more; whoever does all the same is not waited for.
        let _ = timeout_at(end, database.close()).await;
        eprintln!("stopped: every connection{whose} was back");
    }
    is_late
}

fn announce(address: SocketAddr) {
    let mut out = io::stdout().lock();
    // Whoever has closed stdout does not want to know.
    let _ = writeln!(
        out,
        "the clinic listens on http://{address}\n  \
         http://{address}/leash    who holds the connections, who waits for whom, and why\n  \
         http://{address}/metrics  the same as numbers, for Prometheus\n  \
         http://{address}/health   whether the pools serve those who ask"
    );
    let _ = out.flush();
}

/// Plays a bug again and again until the service stops, and keeps what it holds, as a service keeps its state.
async fn play(bug: Bug, clinic: Arc<Clinic>, stopping: watch::Receiver<bool>) {
    /// Most bugs are about what devices have delivered.
    const BATCHES: u64 = 60;
    let mut held: Option<Held<'_>> = None;
    let outcome: Result<(), Error> = async {
        device::deliver(&clinic, 1, BATCHES, &Progress::hidden()).await?;
        while !*stopping.borrow() {
            held = Some(bug.play(&clinic).await?);
            let _ = timeout(PAUSE, stop::told(stopping.clone())).await;
        }
        Ok(())
    }
    .await;
    if let Err(error) = outcome
        && !*stopping.borrow()
    {
        tracing::error!("the bug is played no more: {}", error::with_causes(&error));
    }
    std::future::pending::<()>().await;
    drop(held);
}
