//! What the page shows, as plain data. Times are numbers, in milliseconds, and as long ago as they were when it was read.

use serde::Serialize;

use super::request::Sort;
#[cfg(feature = "track")]
use super::rows::Seen;

/// Everything that the page shows.
#[derive(Debug, Serialize)]
pub(super) struct State {
    /// The file name of the program.
    program: String,
    /// The id of its process.
    process: u32,
    version: &'static str,
    /// Why the page is shown to everybody, if it is.
    exposed: Option<String>,
    /// Why nothing is tracked, if nothing is.
    untracked: Option<&'static str>,
    /// Whether texts of statements and lines of source are left out.
    summaries_only: bool,
    #[cfg(feature = "track")]
    #[serde(flatten)]
    seen: Seen,
}

impl State {
    pub(super) fn read(sort: Sort, summaries_only: bool, exposed: Option<&str>) -> Self {
        #[cfg(not(feature = "track"))]
        let _ = sort;
        Self {
            program: program(),
            process: std::process::id(),
            version: env!("CARGO_PKG_VERSION"),
            exposed: exposed.map(str::to_owned),
            untracked: untracked(),
            summaries_only,
            #[cfg(feature = "track")]
            seen: Seen::read(sort, summaries_only),
        }
    }
}

/// The program and its process, in a line.
pub(super) fn title() -> String {
    let (program, process) = (program(), std::process::id());
    format!(
        "{program} (process {process}), sqlx-leash {}",
        env!("CARGO_PKG_VERSION")
    )
}

fn program() -> String {
    let file = std::env::current_exe().ok();
    let name = file.as_ref().and_then(|file| file.file_name());
    name.map_or_else(
        || "?".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

#[cfg(feature = "track")]
pub(super) fn untracked() -> Option<&'static str> {
    crate::config::is_off().then_some("sqlx-leash is switched off: nothing is tracked")
}

#[cfg(not(feature = "track"))]
#[expect(
    clippy::unnecessary_wraps,
    reason = "with `track`, there is a reason only where it is switched off"
)]
pub(super) fn untracked() -> Option<&'static str> {
    Some("sqlx-leash tracks nothing: its feature `track` is off")
}
