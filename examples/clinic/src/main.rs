//! An eye clinic's small service, as people write it with sqlx: devices deliver batches of measurements, and for each
//! batch the service looks the exam up, checks the device's licence, numbers the records and stores them.
//!
//! The repositories have the attribute `#[track]`, `Cargo.toml` takes sqlx from sqlx-leash, and that is all. The table at the
//! end counts the statements of each line, and `--bug` plays failures to show their findings.

mod args;
mod bugs;
mod clinic;
mod database;
mod device;
mod error;
mod exam;
mod licence;
mod logs;
mod measurement;
mod numbering;
mod progress;
mod report;
mod serve;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use sqlx::leash;

use crate::args::Args;
use crate::bugs::Held;
use crate::clinic::Clinic;
use crate::database::Database;
use crate::error::Error;
use crate::progress::Progress;
use crate::report::Findings;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    // Dropped last, also by a panic: what happens at the end must be in the files.
    let (_files, layers) = match logs::open(&args.logs) {
        Ok(opened) => opened,
        Err(error) => return failed(&error),
    };
    let progress = match args.serve {
        Some(_) => Progress::hidden(),
        None => Progress::new(args.batches),
    };
    progress::log_above(&progress, layers);

    // People read the log on stderr. Machines read the files, and want the fields.
    let events = if args.logs.logs.is_some() {
        leash::Events::Both
    } else {
        leash::Events::Drawing
    };
    // `SQLX_LEASH` is nearer than these. Batches wait for each other at the counter, longer on a busy machine: that is no slow
    // query here. The default of 10 s for unaccounted connections is too long for `--bug silent-peer`.
    let config = leash::Config::new()
        .events(events)
        .limit(leash::Lint::SlowQuery, Duration::from_secs(5))
        .limit(leash::Lint::UnaccountedConnections, Duration::from_secs(1));
    if args.serve.is_some() {
        // A service goes on when there is a finding, whatever it is.
        config.cap(leash::Level::Warn).install();
    } else {
        config.install();
    }
    leash::spawn_reporter();
    let findings = Findings::listen();

    let outcome = if args.doctor {
        diagnose(&args).await
    } else if let Some(address) = &args.serve {
        serve::run(&args, address).await
    } else {
        run(&args, &progress).await.map(|()| findings.any())
    };
    match outcome {
        Ok(true) => ExitCode::from(args::FINDING),
        Ok(false) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> ExitCode {
    eprintln!("error: {}", error::with_causes(error));
    ExitCode::from(args::FAILURE)
}

/// Prints what a doctor says of the pool and its database. Returns whether there is something to change.
async fn diagnose(args: &Args) -> Result<bool, Error> {
    let database = Database::open(args).await?;
    let diagnosis = leash::doctor(&database.store.pool).await;
    println!("{diagnosis}");
    database.close().await;
    Ok(diagnosis.warnings().next().is_some())
}

async fn run(args: &Args, progress: &Progress) -> Result<(), Error> {
    let database = Database::open(args).await?;
    let clinic = Arc::new(Clinic::new(&database, args.cache));

    let day = work(args, &clinic, progress).await;
    // After a failure too: that is when the holders of the connections matter.
    report::at_the_end(args);

    // Closing waits for every connection, so drop first what a bug still holds.
    let outcome = day.map(drop);
    database.close().await;
    outcome
}

/// A day at the clinic, then the bug, if one was asked for. Returns what the bug still holds.
async fn work<'c>(
    args: &Args,
    clinic: &'c Arc<Clinic>,
    progress: &Progress,
) -> Result<Option<Held<'c>>, Error> {
    let delivered = device::deliver(clinic, args.devices, args.batches, progress).await;
    progress.finish();
    delivered?;
    match args.bug {
        Some(bug) => bug.play(clinic).await.map(Some),
        None => Ok(None),
    }
}
