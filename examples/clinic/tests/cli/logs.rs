//! The log files: every line is there once, in order, in files that are split, compressed and limited.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use flate2::read::GzDecoder;
use serde_json::{Map, Value};
use tempfile::TempDir;

use crate::{check_exit, clinic};

type Line = Map<String, Value>;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// The split files of this name, oldest first. All are compressed.
fn split(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let of = path.file_name().unwrap().to_str().unwrap();
        if let Some(rest) = of
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('.'))
        {
            let number = rest.strip_suffix(".gz");
            let number = number.unwrap_or_else(|| panic!("not compressed: {of}"));
            files.insert(number.parse::<u64>().unwrap(), path);
        }
    }
    files.into_values().rev().collect()
}

fn unpacked(file: &Path) -> String {
    let mut text = String::new();
    let mut reader = GzDecoder::new(File::open(file).unwrap());
    reader.read_to_string(&mut text).unwrap();
    text
}

/// The lines of a file and of those that were split off before, oldest first. No line is split.
fn lines(folder: &Path, name: &str) -> Vec<Line> {
    let mut texts: Vec<String> = split(folder, name).iter().map(|it| unpacked(it)).collect();
    texts.push(fs::read_to_string(folder.join(name)).unwrap());
    let mut lines = Vec::new();
    for text in texts {
        assert!(
            text.is_empty() || text.ends_with('\n'),
            "a whole line: {text}"
        );
        lines.extend(text.lines().map(|line| {
            let read = serde_json::from_str::<Line>(line);
            read.unwrap_or_else(|error| panic!("{error}: {line}"))
        }));
    }
    lines
}

fn logging<'a>(folder: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    [&["--logs", folder.to_str().unwrap()], more].concat()
}

#[test]
fn every_statement_is_in_the_files_once_and_in_order() {
    let folder = folder();
    let more = [
        "--batches",
        "80",
        "--devices",
        "1",
        "--log-statements",
        "--log-size",
        "16KB",
        "--log-files",
        "1000",
    ];
    let printed = check_exit(clinic(&logging(folder.path(), &more)), 0);
    let name = "statements.jsonl";
    let files = split(folder.path(), name);
    assert!(files.len() > 5, "{files:?}");
    for file in &files {
        let size = unpacked(file).len();
        assert!(size > 8 << 10 && size < 16 << 10, "{size}: {file:?}");
    }
    // Each statement has the running count of its call site and text.
    let mut counted: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut before = String::new();
    for line in lines(folder.path(), name) {
        assert_eq!(
            (&line["target"], &line["level"]),
            (&"sqlx_leash::query".into(), &"DEBUG".into())
        );
        let text = |name: &str| {
            line.get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let place = format!(
            "{} {}",
            text("code.function.name"),
            line.get("code.line.number").unwrap_or(&Value::Null)
        );
        let count = counted.entry((place, text("db.query.text"))).or_default();
        *count += 1;
        assert_eq!(line["calls"], *count, "{line:#?}");
        let when = text("timestamp");
        assert!(before <= when, "{before} {when}");
        before = when;
    }
    let of = |function: &str| -> Vec<u64> {
        let of = counted
            .iter()
            .filter(|((place, _), _)| place.contains(function));
        of.map(|(_, count)| *count).collect()
    };
    for function in [
        "ExamRepo::find",
        "Numbering::take",
        "MeasurementRepo::insert",
        "LicenceRepo::is_valid",
    ] {
        assert_eq!(of(function), printed.calls(function), "{function}");
        assert!(of(function).contains(&80), "{function}");
    }
}

#[test]
fn each_file_has_its_events() {
    let folder = folder();
    let more = ["--batches", "20", "--bug", "n-plus-one"];
    check_exit(clinic(&logging(folder.path(), &more)), 3);
    let findings = lines(folder.path(), "findings.jsonl");
    assert!(!findings.is_empty());
    for line in &findings {
        assert_eq!(
            (&line["target"], &line["level"]),
            (&"sqlx_leash::finding".into(), &"WARN".into())
        );
    }
    let found = findings
        .iter()
        .find(|line| line["lint"] == "n_plus_one")
        .unwrap();
    assert!(
        found["count"].is_u64() && found["cause"].is_string(),
        "{found:#?}"
    );
    let numbers = lines(folder.path(), "numbers.jsonl");
    let of = |target: &str| {
        numbers
            .iter()
            .filter(|line| line["target"] == target)
            .count()
    };
    // The process, the pool, its last interval, and its call sites.
    assert!(
        of("sqlx_leash") >= 2 && of("sqlx_leash::pool") >= 1 && of("sqlx_leash::sites") > 5,
        "{numbers:#?}"
    );
    assert_eq!(of("sqlx_leash::finding") + of("sqlx_leash::query"), 0);
    assert!(
        !folder.path().join("statements.jsonl").exists(),
        "only if asked for"
    );
}

/// A panic ends the program, and its finding is in the file.
#[test]
fn what_happened_before_a_panic_is_in_the_files() {
    let folder = folder();
    let more = ["--batches", "20", "--bug", "forgotten-transaction"];
    let expected = if cfg!(debug_assertions) { 101 } else { 3 };
    check_exit(clinic(&logging(folder.path(), &more)), expected);
    let findings = lines(folder.path(), "findings.jsonl");
    let found = findings
        .iter()
        .find(|line| line["lint"] == "outlived_scope")
        .unwrap();
    assert_eq!(found["level"], "ERROR");
    assert!(found["holder.code.line.number"].is_u64(), "{found:#?}");
}

#[test]
fn only_so_many_files_are_kept_and_none_beyond_its_age() {
    let folder = folder();
    let (old, other) = (
        folder.path().join("statements.jsonl.3.gz"),
        folder.path().join("another.gz"),
    );
    let long_ago = SystemTime::now() - Duration::from_hours(72);
    for path in [&old, &other] {
        File::create(path).unwrap().set_modified(long_ago).unwrap();
    }
    let more = [
        "--batches",
        "20",
        "--devices",
        "1",
        "--log-statements",
        "--log-age",
        "2d",
    ];
    check_exit(clinic(&logging(folder.path(), &more)), 0);
    assert!(
        !old.exists() && other.exists(),
        "only what is ours, and old, is removed"
    );

    let more = [
        "--batches",
        "80",
        "--devices",
        "1",
        "--log-statements",
        "--log-size",
        "8KB",
        "--log-files",
        "3",
    ];
    check_exit(clinic(&logging(folder.path(), &more)), 0);
    let files = split(folder.path(), "statements.jsonl");
    assert_eq!(files.len(), 3, "{files:?}");
    let last = lines(folder.path(), "statements.jsonl");
    let insert = last.iter().rev().find(|line| {
        let function = line.get("code.function.name").and_then(Value::as_str);
        function.is_some_and(|name| name.ends_with("MeasurementRepo::insert"))
    });
    assert_eq!(insert.unwrap()["calls"], 80, "the last ones are kept");
}

#[test]
fn a_directory_that_cannot_be_written_is_one_clear_error() {
    let folder = folder();
    let file = folder.path().join("a file");
    fs::write(&file, "").unwrap();
    // A directory that no one can write, not even root.
    for directory in [&*file, &file.join("below"), Path::new("/proc/self/logs")] {
        let printed = check_exit(clinic(&logging(directory, &[])), 1);
        let expected = format!("error: cannot write log files in {}: ", directory.display());
        assert!(printed.stderr.starts_with(&expected), "{printed:#?}");
        assert_eq!(printed.stderr.lines().count(), 1, "{printed:#?}");
    }
    let taken = folder.path().join("logs");
    fs::create_dir_all(taken.join("findings.jsonl")).unwrap();
    let printed = check_exit(clinic(&logging(&taken, &[])), 1);
    assert_eq!(printed.stderr.lines().count(), 1, "{printed:#?}");
    for wrong in [
        ["--log-size", "0"],
        ["--log-size", "1TB!"],
        ["--log-age", "soon"],
        ["--log-files", "0"],
    ] {
        check_exit(clinic(&logging(folder.path(), &wrong)), 2);
    }
    check_exit(clinic(&["--log-statements"]), 2);
}
