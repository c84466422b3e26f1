//! The clinic, started as its users start it.
#![cfg(feature = "leash")]

#[path = "cli/logs.rs"]
mod logs;

use std::process::{Command, Output};

/// Marks the line of a bug's source to which its finding points.
const MARKER: &str = "// the finding points here";

/// Marks a second line that the finding shows: where the handle was taken.
const HELD: &str = "// held from here";

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
    assert_eq!(printed.calls("ExamRepo::add_measured"), [41]);
    assert_eq!(printed.calls("LicenceRepo::is_valid"), [41]);
    assert_eq!(printed.calls("Numbering::take"), [41, 41]);
    assert_eq!(printed.calls("MeasurementRepo::insert"), [41]);
    assert!(
        printed.stderr.contains("stored 41 of 41 batches"),
        "{}",
        printed.stderr
    );
    // Beside that, a line for the process and one for the pool, and nothing else.
    let lines: Vec<_> = printed.stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{}", printed.stderr);
    assert!(
        lines[0].contains("tracks this process's pools"),
        "{lines:?}"
    );
    assert!(lines[1].contains("pool tracked"), "{lines:?}");
}

#[test]
fn help_lists_the_bugs_and_exit_codes() {
    let help = check_exit(clinic(&["--help"]), 0).stdout;
    for words in [
        "forgotten-transaction",
        "half-read-stream",
        "stored-connection",
        "nested-acquire",
        "deadlock",
        "two-pool-deadlock",
        "slow-consumer",
        "http-in-transaction",
        "outside-transaction",
        "forgotten-commit",
        "failed-transaction",
        "session-state",
        "wrong-port",
        "hoarder",
        "silent-peer",
        "pool-per-request",
        "churn",
        "budget",
        "n-plus-one",
        "redundant-query",
        "--doctor",
        "SQLX_LEASH",
        "Exit codes:",
    ] {
        assert!(help.contains(words), "{words} is not in\n{help}");
    }
}

#[test]
fn a_doctor_finds_nothing_to_change() {
    let printed = check_exit(clinic(&["--doctor"]), 0);
    let first = printed.stdout.lines().next().expect("a title");
    assert!(first.starts_with("pool clinic on SQLite 3"), "{first}");
    assert!(
        printed.stdout.contains("journal_mode: wal"),
        "{}",
        printed.stdout
    );
    // The service sets the lock timeout in that hook.
    assert!(
        printed.stdout.contains("note: `after_connect` is set"),
        "{}",
        printed.stdout
    );
    // It works nothing off.
    assert!(!printed.stderr.contains("batches"), "{}", printed.stderr);
}

#[test]
fn wrong_usage_exits_with_2() {
    check_exit(clinic(&["--bug", "no-such-bug"]), 2);
    check_exit(clinic(&["--devices", "0"]), 2);
    check_exit(clinic(&["--doctor", "--bug", "deadlock"]), 2);
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

/// The first numbers of a function's row, with the words above them.
fn row(printed: &Printed, function: &str) -> Vec<(String, u64)> {
    let mut lines = printed.stdout.lines();
    let heading = lines.next().expect("the table has a heading");
    let row = lines.find(|line| line.contains(function));
    let numbers = row.expect("the function has a row").split_whitespace();
    let cells = heading.split_whitespace().zip(numbers).take(2);
    cells
        .map(|(word, number)| (word.to_owned(), number.parse().expect("a number")))
        .collect()
}

/// One device delivers 179 batches, and then a contact looks up one exam 51 times.
#[track_caller]
fn check_lookups(further: &[&str], expected: [(&str, u64); 2]) {
    let mut clinic = clinic(&[
        "--devices",
        "1",
        "--batches",
        "179",
        "--bug",
        "redundant-query",
    ]);
    // What is found there is another matter.
    clinic
        .args(further)
        .env("SQLX_LEASH", "redundant_query=allow");
    let printed = check_exit(clinic, 0);
    let expected = expected.map(|(word, number)| (word.to_owned(), number));
    assert_eq!(row(&printed, "ExamRepo::find"), expected, "{printed:#?}");
}

#[test]
fn a_cache_saves_the_lookups_that_read_the_same() {
    check_lookups(&[], [("calls", 230), ("errors", 0)]);
    check_lookups(&["--cache"], [("calls", 180), ("saved", 50)]);
}

/// A bug, and its finding.
struct Played {
    bug: &'static str,
    source: &'static str,
    lint: &'static str,
    /// The method to whose name the finding points.
    method: &'static str,
    function: &'static str,
    /// Further words of the finding.
    says: &'static [&'static str],
}

/// The place of `method` on the line that ends in `marker`, if both are there.
fn place(bug: &str, source: &str, marker: &str, method: &str) -> Option<String> {
    let (index, line) = source
        .lines()
        .enumerate()
        .find(|(_, line)| line.ends_with(marker))?;
    let column = line.find(&format!(".{method}("))? + 2;
    let file = bug.replace('-', "_");
    Some(format!(
        "examples/clinic/src/bugs/{file}.rs:{}:{column}",
        index + 1
    ))
}

impl Played {
    /// Checks that its finding is logged, and the clinic goes on.
    #[track_caller]
    fn check_warned(&self) {
        self.check(clinic(&["--batches", "12", "--bug", self.bug]), 3);
    }

    /// Checks that its finding panics in a debug build, and is logged under a ceiling and in release.
    #[track_caller]
    fn check_denied(&self) {
        let args = ["--batches", "12", "--bug", self.bug];
        let mut tolerant = clinic(&args);
        tolerant.env("SQLX_LEASH", "cap=warn");
        self.check(tolerant, 3);
        let deny = if cfg!(debug_assertions) { 101 } else { 3 };
        self.check(clinic(&args), deny);
    }

    #[track_caller]
    fn check(&self, command: Command, exit: i32) {
        let printed = check_exit(command, exit);
        if exit == 3 {
            // The table is printed all the same, with the work of the devices.
            let stored = printed.calls("MeasurementRepo::insert");
            assert!(stored.len() == 1 && stored[0] >= 12, "{printed:#?}");
        }
        let place_of = |marker, method| place(self.bug, self.source, marker, method);
        let primary =
            place_of(MARKER, self.method).expect("the source carries the marker, after the method");
        let held = ["acquire", "begin"]
            .into_iter()
            .find_map(|method| place_of(HELD, method));
        let words = [self.lint, &primary, self.function].into_iter();
        for words in words
            .chain(held.as_deref())
            .chain(self.says.iter().copied())
        {
            assert!(
                printed.stderr.contains(words),
                "{words} is not in\n{}",
                printed.stderr
            );
        }
    }
}

#[test]
fn forgotten_transaction_is_found_at_its_begin() {
    Played {
        bug: "forgotten-transaction",
        source: include_str!("../src/bugs/forgotten_transaction.rs"),
        lint: "outlived_scope",
        method: "begin",
        function: "DeferredNumbering::accept",
        says: &[],
    }
    .check_denied();
}

#[test]
fn half_read_stream_is_found_at_its_fetch() {
    Played {
        bug: "half-read-stream",
        source: include_str!("../src/bugs/half_read_stream.rs"),
        lint: "outlived_scope",
        method: "fetch",
        function: "Display::show",
        says: &[],
    }
    .check_denied();
}

#[test]
fn stored_connection_is_found_at_its_acquire() {
    Played {
        bug: "stored-connection",
        source: include_str!("../src/bugs/stored_connection.rs"),
        lint: "outlived_scope",
        method: "acquire",
        function: "QuickLicenceRepo::is_valid",
        says: &[],
    }
    .check_denied();
}

#[test]
fn nested_acquire_is_found_at_the_second() {
    Played {
        bug: "nested-acquire",
        source: include_str!("../src/bugs/nested_acquire.rs"),
        lint: "warning[nested_acquire]",
        method: "fetch_optional",
        function: "Printout::latest_reading",
        says: &["Printout::lines holds a connection of that pool"],
    }
    .check_warned();
}

#[test]
fn deadlock_is_found_at_the_wait() {
    Played {
        bug: "deadlock",
        source: include_str!("../src/bugs/deadlock.rs"),
        lint: "[pool_deadlock]",
        method: "fetch_optional",
        function: "Reception::is_licensed",
        says: &["Reception::admit has held 2 permits", "cause (certain)"],
    }
    .check_denied();
}

#[test]
fn two_pool_deadlock_is_found_at_the_last_wait() {
    Played {
        bug: "two-pool-deadlock",
        source: include_str!("../src/bugs/two_pool_deadlock.rs"),
        lint: "[pool_deadlock]",
        method: "begin",
        function: "Archive::fetch_back",
        says: &["archive and exams", "cause (certain)", "// waits here, too"],
    }
    .check_denied();
}

#[test]
fn slow_consumer_is_found_at_its_fetch() {
    Played {
        bug: "slow-consumer",
        source: include_str!("../src/bugs/slow_consumer.rs"),
        lint: "warning[held_idle]",
        method: "fetch",
        function: "Plotter::plot",
        says: &[
            "holds a row stream",
            "the limit is 300 ms",
            "2 rows",
            "was released after",
        ],
    }
    .check_warned();
}

#[test]
fn http_in_transaction_is_found_at_its_begin() {
    Played {
        bug: "http-in-transaction",
        source: include_str!("../src/bugs/http_in_transaction.rs"),
        lint: "warning[held_idle]",
        method: "begin",
        function: "RegisteredNumbering::accept",
        says: &[
            "holds a transaction",
            "the limit is 300 ms",
            "examples/clinic/src/numbering.rs",
            "was released after",
        ],
    }
    .check_warned();
}

#[test]
fn outside_transaction_is_found_at_the_query() {
    Played {
        bug: "outside-transaction",
        source: include_str!("../src/bugs/outside_transaction.rs"),
        lint: "warning[outside_transaction]",
        method: "fetch_one",
        function: "Labels::label",
        says: &["Labels::number has a transaction of that pool open"],
    }
    .check_warned();
}

#[test]
fn forgotten_commit_is_found_at_its_begin() {
    Played {
        bug: "forgotten-commit",
        source: include_str!("../src/bugs/forgotten_commit.rs"),
        lint: "warning[implicit_rollback]",
        method: "begin",
        function: "Calibration::correct",
        says: &["UPDATE measurement"],
    }
    .check_warned();
}

#[test]
fn failed_transaction_is_found_at_its_commit() {
    Played {
        bug: "failed-transaction",
        source: include_str!("../src/bugs/failed_transaction.rs"),
        lint: "warning[failed_transaction]",
        method: "commit",
        function: "Workshop::returns",
        says: &[
            "INSERT licence",
            "the changes of this statement are not saved",
        ],
    }
    .check_warned();
}

#[test]
fn session_state_is_found_at_the_begin() {
    Played {
        bug: "session-state",
        source: include_str!("../src/bugs/session_state.rs"),
        lint: "warning[session_state]",
        method: "execute",
        function: "Import::take",
        says: &["leaves a transaction open", "UPDATE counter"],
    }
    .check_warned();
}

#[test]
fn wrong_port_is_found_with_the_error() {
    Played {
        bug: "wrong-port",
        source: include_str!("../src/bugs/wrong_port.rs"),
        lint: "warning[pool_timeout]",
        method: "acquire",
        function: "Archive::records",
        says: &["cause (unreachable, certain)", "Connection refused"],
    }
    .check_warned();
}

#[test]
fn hoarder_is_found_with_its_holders() {
    Played {
        bug: "hoarder",
        source: include_str!("../src/bugs/hoarder.rs"),
        lint: "warning[pool_timeout]",
        method: "fetch_one",
        function: "patients_today",
        says: &[
            "cause (hoarder, certain)",
            "Screen::switch_on holds 2 permits",
        ],
    }
    .check_warned();
}

#[test]
fn silent_peer_is_found_at_its_acquire() {
    Played {
        bug: "silent-peer",
        source: include_str!("../src/bugs/silent_peer.rs"),
        lint: "warning[unaccounted_connections]",
        method: "acquire",
        function: "Archive::announce",
        says: &[
            "was released",
            "return_timeout",
            "cause (unaccounted, likely)",
        ],
    }
    .check_warned();
}

#[test]
fn pool_per_request_is_found_at_its_connect() {
    Played {
        bug: "pool-per-request",
        source: include_str!("../src/bugs/pool_per_request.rs"),
        lint: "warning[duplicate_pool]",
        method: "connect_with",
        function: "Portal::log_in",
        says: &["has made 6 pools", "together these may open 30 to"],
    }
    .check_warned();
}

#[test]
fn churn_is_found_at_the_acquire_that_opens() {
    Played {
        bug: "churn",
        source: include_str!("../src/bugs/churn.rs"),
        lint: "warning[connection_churn]",
        method: "acquire",
        function: "Display::last_record",
        says: &[
            "the program closes connections of pool clinic",
            "a second are made anew, and each takes",
            "cause (certain)",
            "let the connection go back to the pool: drop it",
        ],
    }
    .check_warned();
}

#[test]
fn budget_is_found_at_the_query_too_many() {
    Played {
        bug: "budget",
        source: include_str!("../src/bugs/budget.rs"),
        lint: "[query_budget]",
        method: "fetch_one",
        function: "Overview::rows",
        says: &["4th statement; its budget is 3"],
    }
    .check_denied();
}

#[test]
fn n_plus_one_is_found_at_the_repeated_query() {
    Played {
        bug: "n-plus-one",
        source: include_str!("../src/bugs/n_plus_one.rs"),
        lint: "[n_plus_one]",
        method: "fetch_one",
        function: "DayList::reading",
        says: &["times in one call of", "for each of these"],
    }
    .check_warned();
}

#[test]
fn redundant_query_is_found_at_the_repeated_query() {
    let printed = check_exit(clinic(&["--batches", "12", "--bug", "redundant-query"]), 3);
    // The query is not the bug's own: it is that of the repository.
    let source = include_str!("../src/exam.rs");
    let mut lines = source.lines().zip(1..);
    let (_, line) = lines.find(|(line, _)| line.ends_with(MARKER)).unwrap();
    for words in [
        "[redundant_query]: clinic::exam::ExamRepo::find ran `SELECT exam` 51 times",
        "each time with the same arguments",
        &format!("--> examples/clinic/src/exam.rs:{line}:"),
    ] {
        assert!(
            printed.stderr.contains(words),
            "{words} is not in\n{}",
            printed.stderr
        );
    }
}

#[test]
fn a_return_that_hangs_can_be_bounded() {
    let mut command = clinic(&["--batches", "1", "--bug", "silent-peer"]);
    command.env("SQLX_LEASH", "return_timeout=500ms");
    let printed = check_exit(command, 0);
    assert!(
        !printed.stderr.contains("was not served"),
        "{}",
        printed.stderr
    );
}
