//! `print`: findings written beside the log, whatever the subscriber does with its events.

use std::fs;
use std::path::Path;

use leash_tests::in_child;
use sqlx::leash::{self, Config};
use tracing::subscriber::set_global_default;
use tracing_subscriber::Registry;

use super::{KEPT, allowed, warned};
use crate::common::pool;

const HEAD: &str = "warning[outlived_scope]: behaviour::config::warned returned while";
const LINE: &str = "outlived_scope: behaviour::config::warned returned while";

/// A suite that installs a subscriber of its own: it takes every event and shows none.
fn install_a_subscriber() {
    set_global_default(Registry::default()).unwrap();
}

#[test]
fn on_standard_error_beside_a_subscriber() {
    let test = "config::printing::on_standard_error_beside_a_subscriber";
    for (print, is_printed) in [("print=stderr", true), ("print=off", false), ("", false)] {
        let printed = in_child(test, &[("SQLX_LEASH", print)], |runtime| {
            install_a_subscriber();
            let pool = runtime.block_on(pool());
            runtime.block_on(warned(&pool));
        });
        let expected = usize::from(is_printed);
        assert_eq!(
            printed.err.matches(HEAD).count(),
            expected,
            "{print}: {}",
            printed.err
        );
    }
}

/// Where a debug build prints the finding by itself, it is not printed twice.
#[test]
fn on_standard_error_once_without_a_subscriber() {
    let test = "config::printing::on_standard_error_once_without_a_subscriber";
    let printed = in_child(test, &[("SQLX_LEASH", "print=stderr")], |runtime| {
        let pool = runtime.block_on(pool());
        runtime.block_on(warned(&pool));
    });
    assert_eq!(printed.err.matches(HEAD).count(), 1, "{}", printed.err);
}

#[test]
fn each_in_a_file_that_processes_share() {
    let name = "config::printing::each_in_a_file_that_processes_share";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("findings.txt");
    let setting = format!("print={}", file.display());
    for _ in 0..2 {
        let printed = in_child(name, &[("SQLX_LEASH", &setting)], |runtime| {
            install_a_subscriber();
            let pool = runtime.block_on(pool());
            for _ in 0..3 {
                runtime.block_on(warned(&pool));
            }
            // Neither what is allowed, nor what a test looks at.
            runtime.block_on(allowed(&pool));
            let ((), found) = runtime.block_on(leash::testing::findings(warned(&pool)));
            assert_eq!(found.len(), 1);
        });
        assert!(!printed.err.contains(HEAD), "{}", printed.err);
    }
    let text = fs::read_to_string(&file).unwrap();
    // In full at the first of a process, then in a line each.
    assert_eq!(text.matches(HEAD).count(), 2, "{text}");
    assert_eq!(text.matches(LINE).count(), 4, "{text}");
    let headings = text.lines().filter(|line| line.starts_with('['));
    let headings: Vec<_> = headings.collect();
    assert_eq!(headings.len(), 6, "{text}");
    for heading in headings {
        assert!(
            heading.contains(" behaviour-")
                && heading
                    .ends_with("thread config::printing::each_in_a_file_that_processes_share]"),
            "{heading}"
        );
    }
}

#[test]
fn processes_that_write_at_once_do_not_mix_their_findings() {
    const EACH: usize = 100;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("findings.txt");
    let setting = format!("print={}", file.display());
    let run = || {
        let test = "config::printing::processes_that_write_at_once_do_not_mix_their_findings";
        in_child(test, &[("SQLX_LEASH", &setting)], |runtime| {
            install_a_subscriber();
            runtime.block_on(async {
                let pool = pool().await;
                for _ in 0..EACH {
                    warned(&pool).await;
                    KEPT.lock().unwrap().clear();
                }
            });
        })
    };
    if std::env::var_os("LEASH_TEST_CHILD").is_some() {
        run();
    }
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(run);
        }
    });
    let text = fs::read_to_string(&file).unwrap();
    let entries: Vec<_> = text.trim_end().split("\n\n").collect();
    assert_eq!(entries.len(), 3 * EACH);
    for entry in entries {
        let (heading, finding) = entry.split_once('\n').unwrap();
        assert!(
            heading.starts_with('[') && heading.ends_with(']'),
            "{entry}"
        );
        assert!(
            finding.starts_with(HEAD) || finding.starts_with(LINE),
            "{entry}"
        );
        assert_eq!(finding.matches(" returned while ").count(), 1, "{entry}");
    }
}

/// The file is made at the start: that it is empty is an answer, too.
#[test]
fn a_file_without_a_finding_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("findings.txt");
    let test = "config::printing::a_file_without_a_finding_is_empty";
    // Off, nothing is made.
    for (off, text) in [(",off", None), ("", Some(""))] {
        let setting = format!("print={}{off}", file.display());
        in_child(test, &[("SQLX_LEASH", &setting)], |runtime| {
            let pool = runtime.block_on(pool());
            runtime.block_on(allowed(&pool));
        });
        assert_eq!(fs::read_to_string(&file).ok().as_deref(), text, "{off}");
    }
}

#[test]
fn a_file_that_cannot_be_opened_is_one_error_and_the_program_goes_on() {
    let test =
        "config::printing::a_file_that_cannot_be_opened_is_one_error_and_the_program_goes_on";
    let setting = ("SQLX_LEASH", "print=/nowhere/to/be/found.txt");
    let printed = in_child(test, &[setting], |runtime| {
        install_a_subscriber();
        let pool = runtime.block_on(pool());
        for _ in 0..3 {
            runtime.block_on(warned(&pool));
        }
    });
    let error =
        "print=/nowhere/to/be/found.txt: the file cannot be opened: No such file or directory";
    assert_eq!(printed.err.matches(error).count(), 1, "{}", printed.err);
    assert_eq!(printed.err.matches(HEAD).count(), 1, "{}", printed.err);
    assert_eq!(printed.err.matches(LINE).count(), 2, "{}", printed.err);
}

/// The environment beats the code.
#[test]
fn the_code_sets_it_too() {
    fn child(test: &str, environment: &str, file: &Path) -> String {
        let variables = [
            ("SQLX_LEASH", environment),
            ("LEASH_TEST_FILE", file.to_str().unwrap()),
        ];
        let printed = in_child(test, &variables, |runtime| {
            install_a_subscriber();
            let file = std::env::var("LEASH_TEST_FILE").unwrap();
            Config::new().print_to_file(file).install();
            let pool = runtime.block_on(pool());
            runtime.block_on(warned(&pool));
            Config::new().print_to_stderr().install();
            runtime.block_on(warned(&pool));
        });
        printed.err
    }
    let test = "config::printing::the_code_sets_it_too";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("findings.txt");
    let err = child(test, "", &file);
    assert!(fs::read_to_string(&file).unwrap().contains(HEAD));
    assert_eq!(err.matches(LINE).count(), 1, "{err}");
    let file = folder.path().join("none.txt");
    let err = child(test, "print=off", &file);
    assert!(!file.exists() && !err.contains(LINE), "{err}");
}
