//! Where findings are printed, beside the log.

use std::path::PathBuf;

/// Where findings are printed, beside the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Print {
    /// Nowhere: beats a layer below that sets another place.
    Off,
    Stderr,
    /// Appended to this file.
    File(PathBuf),
}

impl Print {
    /// The place that the text form names. A file of the name `stderr` is written `./stderr`.
    pub(super) fn of(text: &str) -> Self {
        match text {
            "off" => Print::Off,
            "stderr" => Print::Stderr,
            file => Print::File(PathBuf::from(file)),
        }
    }
}
