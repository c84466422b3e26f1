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
    ///
    /// `None` for a word that is more likely a mistake than the name of a file.
    pub(super) fn of(text: &str) -> Option<Self> {
        match text {
            "off" => Some(Print::Off),
            "stderr" => Some(Print::Stderr),
            "stdout" | "on" | "true" | "false" => None,
            file => Some(Print::File(PathBuf::from(file))),
        }
    }
}
