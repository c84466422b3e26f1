//! Programs that must not compile, by trybuild, with nothing built twice.

use std::env;
use std::path::Path;
use std::process::Command;

/// rustc's flags for the programs.
///
/// trybuild builds their dependencies first, without the last of them: cargo would build every dependency once more.
const FLAGS: &str = "--cfg trybuild --verbose -A dead_code --diagnostic-width=140";

/// cargo reads these before those that trybuild hands to it.
const FLAGS_FOR_CARGO: &str = "CARGO_ENCODED_RUSTFLAGS";

/// Checks that the programs at these paths are refused, each in the words of the `.stderr` file beside it.
///
/// `TRYBUILD=overwrite` writes the words anew; they are for a person to read, not to edit.
///
/// # Panics
///
/// Where a program compiles, or is refused in other words.
pub fn refused(programs: &[&str]) {
    if env::var_os(FLAGS_FOR_CARGO).is_some() {
        let tests = trybuild::TestCases::new();
        for program in programs {
            tests.compile_fail(program);
        }
        return;
    }
    share_what_runs_on_the_host();
    // In a process of its own, whose environment can be set.
    let child = Command::new(env::current_exe().unwrap())
        .args(env::args_os().skip(1))
        .env(FLAGS_FOR_CARGO, FLAGS.replace(' ', "\x1f"))
        .output()
        .unwrap();
    assert!(
        child.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&child.stdout),
        String::from_utf8_lossy(&child.stderr)
    );
}

/// Lets trybuild find the procedural macros and build scripts that this test's own build has made.
///
/// It builds for a named target, in a folder of its own. What runs on the host is the same in both builds, `sqlx-macros`
/// with its drivers the largest of it. Where the folder is there already, it stays as it is: that costs time alone.
fn share_what_runs_on_the_host() {
    let program = env::current_exe().unwrap();
    // target/debug/deps/program
    let target = program.ancestors().nth(3).unwrap();
    let own = target.join("tests/trybuild");
    std::fs::create_dir_all(&own).unwrap();
    #[cfg(unix)]
    let _ = std::os::unix::fs::symlink(Path::new("../../debug"), own.join("debug"));
}
