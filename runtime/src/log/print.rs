//! Findings printed beside the log: the setting `print`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tracing::{Level, event};

use super::GENERAL;
use crate::config::{self, Print};
use crate::scope::foreign;
use crate::sync;

/// The file that was opened last, by its path. `None` in it: it cannot be opened, which was reported.
static OPENED: Mutex<Option<(PathBuf, Option<Arc<File>>)>> = Mutex::new(None);

/// Opens the file, if one is set, so that an error is reported when the program starts.
pub(crate) fn open() {
    if !config::is_off()
        && let Print::File(path) = config::rules().print()
    {
        let _: Option<Arc<File>> = opened(&path);
    }
}

/// Prints a finding where the setting says. Returns whether it was printed on standard error.
pub(crate) fn finding(text: impl FnOnce() -> String) -> bool {
    let file = match config::rules().print() {
        Print::Off => return false,
        Print::Stderr => None,
        Print::File(path) => opened(&path),
    };
    let entry = format!("{}\n{}\n\n", heading(), text().trim_end());
    // One write for each finding: other threads and processes append as well.
    if let Some(file) = file
        && (&*file).write_all(entry.as_bytes()).is_ok()
    {
        return false;
    }
    // Not `eprintln!`: a test's harness keeps what a test that passes prints with it.
    _ = io::stderr().write_all(entry.as_bytes());
    true
}

/// Says whose finding it is: a file may have those of several programs. The thread of a test has the test's name.
fn heading() -> String {
    let program = std::env::current_exe().unwrap_or_default();
    let program = program.file_name().unwrap_or_default().to_string_lossy();
    let thread = std::thread::current();
    format!(
        "[{} {program} {}, thread {}]",
        humantime::format_rfc3339_seconds(SystemTime::now()),
        std::process::id(),
        thread.name().unwrap_or("without a name"),
    )
}

/// The file of this path; `None` if it cannot be opened. The error is reported at the first call.
fn opened(path: &Path) -> Option<Arc<File>> {
    let mut last = sync::lock(&OPENED);
    if let Some((of, file)) = &*last
        && of == path
    {
        return file.clone();
    }
    let result = OpenOptions::new().append(true).create(true).open(path);
    let (file, error) = match result {
        Ok(file) => (Some(Arc::new(file)), None),
        Err(error) => (None, Some(error)),
    };
    *last = Some((path.to_owned(), file.clone()));
    // A subscriber may cause findings.
    drop(last);
    if let Some(error) = error {
        cannot_open(path, &error);
    }
    file
}

fn cannot_open(path: &Path, error: &io::Error) {
    let message = format!(
        "print={}: the file cannot be opened: {error}; findings are printed on standard error instead",
        path.display()
    );
    _ = writeln!(io::stderr(), "error: sqlx-leash: {message}");
    _ = foreign::subscriber(|| event!(target: GENERAL, Level::ERROR, "{message}"));
}
