//! Without `track`, a program executes the instructions that it executes with sqlx.
//!
//! Counted by valgrind's callgrind in the program's own code. The allocator's are left out: they depend on what other
//! threads have left on the heap, and differ from run to run of one and the same program.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the small program against plain sqlx and against sqlx-leash.
fn build(directory: &Path) -> [PathBuf; 2] {
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--release",
            "--locked",
            "--package",
            "steps-plain",
            "--package",
            "steps-off",
            "--target-dir",
        ])
        .arg(directory)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    ["steps-plain", "steps-off"].map(|name| directory.join("release").join(name))
}

/// The instructions of the program's own code within `counted_steps`.
fn count(program: &Path, directory: &Path) -> u64 {
    let counts = directory.join("callgrind.out");
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*counted_steps*"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(program)
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let table = Command::new("callgrind_annotate")
        .args(["--threshold=100", "--show-percs=no", "--auto=no"])
        .arg(&counts)
        .output()
        .unwrap();
    assert!(
        table.status.success(),
        "{}",
        String::from_utf8_lossy(&table.stderr)
    );
    let table = String::from_utf8(table.stdout).unwrap();
    let object = format!("[{}]", program.display());
    let own = table.lines().filter(|line| line.ends_with(&object));
    own.filter_map(|line| line.split_whitespace().next())
        // A function that did not run within.
        .filter(|count| *count != ".")
        .map(|count| count.replace(',', "").parse::<u64>().unwrap())
        .sum()
}

#[test]
fn instructions_are_those_of_sqlx() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        let required = std::env::var("LEASH_TEST_REQUIRE")
            .is_ok_and(|names| names.split(',').any(|name| name.trim() == "valgrind"));
        assert!(
            !required,
            "LEASH_TEST_REQUIRE names valgrind, and it is not installed"
        );
        // Written to the stream itself, which the harness does not capture.
        let _ = std::io::stderr()
            .write_all(b"SKIPPED instructions_are_those_of_sqlx: valgrind is not installed\n");
        return;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions");
    std::fs::create_dir_all(&directory).unwrap();
    let [plain, off] = build(&directory).map(|program| count(&program, &directory));
    assert!(plain > 100_000, "only {plain} instructions were counted");
    assert_eq!(off, plain);
}
