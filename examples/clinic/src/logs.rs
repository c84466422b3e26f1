//! Log files, as a service keeps them: a file for each kind of event, in lines of JSON, split by size, compressed, limited in
//! number and in age.
//!
//! A thread for each file writes it, so that no request waits for a disk.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use logroller::{Compression, LogRoller, LogRollerBuilder, Rotation, RotationSize};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::{Layer, Registry, fmt};

use crate::error::Error;

/// A file that is not written within this time when the program ends is given up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Files beyond their age are looked for this often.
const SWEEP: Duration = Duration::from_mins(10);

/// What the command line says about log files.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Log files")]
pub(crate) struct LogArgs {
    /// Write log files in this directory: findings.jsonl and numbers.jsonl
    ///
    /// findings.jsonl has every finding, numbers.jsonl what the pools and call sites did in each interval. Each is a line of JSON.
    /// The directory is made if it is missing.
    #[arg(long, value_name = "DIR")]
    pub(crate) logs: Option<PathBuf>,

    /// Write statements.jsonl as well, with a line for each statement
    #[arg(long, requires = "logs")]
    log_statements: bool,

    /// A file is split before it is larger than this
    #[arg(long, value_name = "SIZE", default_value = "100MB", value_parser = bytes, requires = "logs")]
    log_size: u64,

    /// The number of split files that are kept of each, compressed
    #[arg(long, value_name = "N", default_value_t = 10, requires = "logs", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    log_files: u64,

    /// Split files that are older are removed
    #[arg(long, value_name = "TIME", default_value = "14d", value_parser = humantime::parse_duration, requires = "logs")]
    log_age: Duration,
}

/// `100MB`, `64KB`, `4096`.
fn bytes(text: &str) -> Result<u64, String> {
    let units = [("GB", 1 << 30), ("MB", 1 << 20), ("KB", 1 << 10)];
    let (number, unit) = units
        .iter()
        .find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))
        .unwrap_or((text, 1));
    let number: Option<u64> = number.trim().parse().ok();
    number
        .and_then(|number| number.checked_mul(unit))
        .filter(|&bytes| bytes > 0)
        .ok_or_else(|| "a size above zero is needed; write `100MB`, `64KB` or `4096`".to_owned())
}

/// A layer that writes one file.
pub(crate) type FileLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// The open files. Dropped, it waits until each has its last line.
#[derive(Debug, Default)]
pub(crate) struct Files(Vec<File>);

#[derive(Debug)]
struct File {
    name: &'static str,
    /// Dropped, it has the thread write what is left.
    guard: Option<WorkerGuard>,
    lost: ErrorCounter,
    /// Disconnected once the thread has written and compressed everything.
    ended: Receiver<Infallible>,
}

/// Opens the files that the command line asks for. Returns a layer for each.
pub(crate) fn open(args: &LogArgs) -> Result<(Files, Vec<FileLayer>), Error> {
    let Some(directory) = &args.logs else {
        return Ok((Files::default(), Vec::new()));
    };
    let cannot = |source| Error::Logs {
        directory: directory.clone(),
        source,
    };
    fs::create_dir_all(directory).map_err(cannot)?;
    // Each file has its targets, with the least level of each.
    let findings = Targets::new().with_target("sqlx_leash::finding", LevelFilter::WARN);
    let numbers = Targets::new()
        .with_target("sqlx_leash", LevelFilter::INFO)
        .with_target("sqlx_leash::finding", LevelFilter::OFF);
    let statements = Targets::new().with_target("sqlx_leash::query", LevelFilter::DEBUG);
    let kinds = [
        ("findings.jsonl", Some(findings)),
        ("numbers.jsonl", Some(numbers)),
        (
            "statements.jsonl",
            args.log_statements.then_some(statements),
        ),
    ];
    let mut files = Files::default();
    let mut layers = Vec::new();
    for (name, targets) in kinds {
        if let Some(targets) = targets {
            let file = SplitFile::open(directory, name, args).map_err(cannot)?;
            layers.push(files.start(name, file, targets));
        }
    }
    Ok((files, layers))
}

impl Files {
    /// Starts the thread of a file. Returns the layer that sends it the events of these targets.
    fn start(
        &mut self,
        name: &'static str,
        (file, ended): (SplitFile, Receiver<Infallible>),
        targets: Targets,
    ) -> FileLayer {
        // Where the disk is too slow, lines are lost rather than requests held up. They are counted.
        let (lines, guard) = NonBlockingBuilder::default().lossy(true).finish(file);
        self.0.push(File {
            name,
            guard: Some(guard),
            lost: lines.error_counter(),
            ended,
        });
        let json = fmt::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false);
        json.with_writer(lines).with_filter(targets).boxed()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for file in &mut self.0 {
            drop(file.guard.take());
            // The guard waits for a second, which may be too short to compress the last file.
            if let Err(RecvTimeoutError::Timeout) = file.ended.recv_timeout(PATIENCE) {
                eprintln!("error: {} is not complete: the disk is too slow", file.name);
            }
            let lost = file.lost.dropped_lines();
            if lost > 0 {
                eprintln!(
                    "error: {lost} lines of {} are lost: they came faster than the disk is",
                    file.name
                );
            }
        }
    }
}

/// A file that is split by size. The fields are dropped in this order.
struct SplitFile {
    roller: LogRoller,
    directory: PathBuf,
    name: &'static str,
    age: Duration,
    swept: Instant,
    /// Whether the last write failed.
    fails: bool,
    /// Never sends anything: dropped, it shows that the file is complete.
    _ended: SyncSender<Infallible>,
}

impl SplitFile {
    fn open(
        directory: &Path,
        name: &'static str,
        args: &LogArgs,
    ) -> io::Result<(Self, Receiver<Infallible>)> {
        let roller = LogRollerBuilder::new(directory, Path::new(name))
            .rotation(Rotation::SizeBased(RotationSize::Bytes(args.log_size)))
            .max_keep_files(args.log_files)
            .compression(Compression::Gzip)
            // When it is dropped, it waits until the last file is compressed.
            .graceful_shutdown(true)
            .build()
            .map_err(io::Error::other)?;
        let (sender, ended) = sync_channel(0);
        let file = Self {
            roller,
            directory: directory.to_owned(),
            name,
            age: args.log_age,
            swept: Instant::now(),
            fails: false,
            _ended: sender,
        };
        file.remove_old();
        Ok((file, ended))
    }

    /// Removes the split files that are too old, and what a process that was killed has left half compressed.
    fn remove_old(&self) {
        let split = format!("{}.", self.name);
        let is_old = |path: &Path| {
            let modified = fs::metadata(path).and_then(|metadata| metadata.modified());
            let age =
                modified.map(|then| SystemTime::now().duration_since(then).unwrap_or_default());
            age.is_ok_and(|age| age > self.age)
        };
        for entry in fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten()
        {
            let path = entry.path();
            let name = path.file_name().and_then(OsStr::to_str);
            if name.is_some_and(|name| name.starts_with(&split)) && is_old(&path) {
                _ = fs::remove_file(path);
            }
        }
    }
}

impl Write for SplitFile {
    /// Takes a whole line: a file is never split in the middle of one.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.swept.elapsed() > SWEEP {
            self.swept = Instant::now();
            self.remove_old();
        }
        let written = self.roller.write(line);
        // Said once, and not for each line: nobody else says it.
        if let Err(error) = &written
            && !self.fails
        {
            eprintln!("error: cannot write {}: {error}", self.name);
        }
        self.fails = written.is_err();
        written
    }

    /// Nothing is kept back. The roller's own would wait until the last file is compressed.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
