//! Counts instructions with valgrind's callgrind, in the thread that runs the operations but not in SQLite's thread.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use leash_contender::{Measure, OPERATIONS, Surroundings};

use crate::contenders::Contender;
use crate::paired::{calibrate, each};

/// Whether instructions can be counted on this machine.
pub(crate) fn can_be_counted() -> bool {
    let version = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// Returns the number of instructions of each of [`OPERATIONS`] that the contender offers, measured in batches that take
/// that time.
pub(crate) fn count(
    contender: &Contender,
    url: &str,
    surroundings: &Surroundings,
    batch: Duration,
) -> Result<Vec<Option<f64>>, Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let dumps = directory.path().join("dump");
    let callgrind = [
        // Without this, a large copy is one instruction that is repeated and counted for each byte.
        "env".to_owned(),
        "GLIBC_TUNABLES=glibc.cpu.x86_rep_movsb_threshold=1073741824".to_owned(),
        "valgrind".to_owned(),
        "--quiet".to_owned(),
        "--tool=callgrind".to_owned(),
        // The two patterns differ, because callgrind ignores the second of two options with the same pattern.
        "--toggle-collect=*contender*counted_batch*".to_owned(),
        "--dump-after=*counted_batch*".to_owned(),
        format!("--callgrind-out-file={}", dumps.display()),
    ];
    let mut running = contender.start(&callgrind, url, surroundings)?;
    let mut dump = 0;
    let mut count = |operation| -> Result<Option<f64>, Box<dyn Error>> {
        if !contender.offers(operation) {
            return Ok(None);
        }
        let times = calibrate(&mut running, operation, batch)?;
        running.run(Measure::Instructions, times, operation)?;
        dump += 1;
        let total = total(&dumps.with_extension(dump.to_string()))?;
        Ok(Some(each(total, times)))
    };
    OPERATIONS.into_iter().map(&mut count).collect()
}

fn total(dump: &Path) -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string(dump)?;
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))
        .ok_or_else(|| format!("{} has no total", dump.display()))?;
    Ok(total.trim().parse()?)
}
