//! The clinic as its users start it.
#![cfg(feature = "leash")]

use std::process::{Command, Output};

const MARKER: &str = "// the finding points here";

fn clinic(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clinic"));
    command
        .args(args)
        .env_remove("SQLX_LEASH")
        .env_remove("RUST_LOG")
        .env("NO_COLOR", "1");
    command
}

#[track_caller]
fn check_exit(mut command: Command, expected: i32) -> Printed {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the clinic starts");
    let printed = Printed {
        stdout: String::from_utf8(stdout).expect("the clinic prints UTF-8"),
        stderr: String::from_utf8(stderr).expect("the clinic logs UTF-8"),
    };
    assert_eq!(status.code(), Some(expected), "{printed:#?}");
    printed
}

#[derive(Debug)]
struct Printed {
    stdout: String,
    stderr: String,
}

impl Printed {
    /// The calls of every row of the table that belongs to `function`.
    fn calls(&self, function: &str) -> Vec<u64> {
        self.stdout
            .lines()
            .filter(|line| line.contains(function))
            .map(|line| {
                line.split_whitespace()
                    .find_map(|word| word.replace(',', "").parse().ok())
                    .unwrap_or_else(|| panic!("no number in {line:?}"))
            })
            .collect()
    }
}

#[test]
fn a_day_without_findings() {
    let printed = check_exit(clinic(&["--batches", "41", "--devices", "3"]), 0);
    assert_eq!(printed.calls("ExamRepo::worklist"), [3]);
    assert_eq!(printed.calls("ExamRepo::find"), [41]);
    assert_eq!(printed.calls("LicenceRepo::is_valid"), [41]);
    assert_eq!(printed.calls("Numbering::take"), [41, 41]);
    assert_eq!(printed.calls("MeasurementRepo::insert"), [41]);
    assert!(
        printed.stderr.contains("stored 41 of 41 batches"),
        "{}",
        printed.stderr
    );
    assert!(!printed.stderr.contains("WARN"), "{}", printed.stderr);
}

#[test]
fn help_lists_the_bugs_and_exit_codes() {
    let help = check_exit(clinic(&["--help"]), 0).stdout;
    for words in [
        "forgotten-transaction",
        "half-read-stream",
        "stored-connection",
        "SQLX_LEASH",
        "Exit codes:",
    ] {
        assert!(help.contains(words), "{words} is not in\n{help}");
    }
}

#[test]
fn wrong_usage_exits_with_2() {
    check_exit(clinic(&["--bug", "no-such-bug"]), 2);
    check_exit(clinic(&["--devices", "0"]), 2);
}

#[track_caller]
fn check_unreachable(url: &str, expected: &str) {
    let printed = check_exit(clinic(&["--database-url", url]), 1);
    assert!(printed.stderr.contains(expected), "{}", printed.stderr);
    assert!(!printed.stderr.contains("secret"), "{}", printed.stderr);
}

#[test]
fn a_database_that_cannot_be_opened_exits_with_1() {
    check_unreachable(
        "postgres://eye:secret@127.0.0.1:1/clinic",
        "error: cannot open the database postgres://eye:***@127.0.0.1:1/clinic: \
         error communicating with database: Connection refused",
    );
    check_unreachable(
        "postgres://eye:secret@127.0.0.1:port/clinic",
        "error: cannot read the database's URL: error with configuration: invalid port number",
    );
    check_unreachable("oracle://eye:secret@db/clinic", "no driver found");
}

/// Plays a bug and looks for its finding, which must name `method` on the line that carries the marker.
#[track_caller]
fn check_bug(bug: &str, source: &str, method: &str, function: &str) {
    let file = bug.replace('-', "_");
    let (index, line) = source
        .lines()
        .enumerate()
        .find(|(_, line)| line.contains(MARKER))
        .expect("the source carries the marker");
    let column = line
        .find(&format!(".{method}("))
        .expect("the method stands before the marker")
        + 2;
    let place = format!("examples/clinic/src/bugs/{file}.rs:{}:{column}", index + 1);

    let args = ["--batches", "12", "--bug", bug];
    let mut tolerant = clinic(&args);
    tolerant.env("SQLX_LEASH", "cap=warn");
    let printed = check_exit(tolerant, 3);
    // The table comes all the same: one worklist for each device, and one for the bug.
    assert_eq!(printed.calls("ExamRepo::worklist"), [6 + 1]);
    check_told(&printed, &place, function);

    let deny = if cfg!(debug_assertions) { 101 } else { 3 };
    check_told(&check_exit(clinic(&args), deny), &place, function);
}

#[track_caller]
fn check_told(printed: &Printed, place: &str, function: &str) {
    for words in ["outlived_scope", place, function] {
        assert!(
            printed.stderr.contains(words),
            "{words} is not in\n{}",
            printed.stderr
        );
    }
}

#[test]
fn forgotten_transaction_is_found_at_its_begin() {
    check_bug(
        "forgotten-transaction",
        include_str!("../src/bugs/forgotten_transaction.rs"),
        "begin",
        "DeferredNumbering::accept",
    );
}

#[test]
fn half_read_stream_is_found_at_its_fetch() {
    check_bug(
        "half-read-stream",
        include_str!("../src/bugs/half_read_stream.rs"),
        "fetch",
        "Display::show",
    );
}

#[test]
fn stored_connection_is_found_at_its_acquire() {
    check_bug(
        "stored-connection",
        include_str!("../src/bugs/stored_connection.rs"),
        "acquire",
        "QuickLicenceRepo::is_valid",
    );
}
