//! Tests that run in their own process: they need the environment, a process-wide setting or process-wide counters.

use std::env;
use std::process::Command;

use tokio::runtime::{Builder, Runtime};

/// The environment variable that names the test to run in the child.
const CHILD: &str = "LEASH_TEST_CHILD";

/// The output of a child.
#[derive(Debug)]
pub struct Printed {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

/// Runs `body` in its own process with these environment variables, and returns the child's output. `test` is the full
/// name of the calling test: the child runs that test again.
///
/// In the child this function does not return.
#[track_caller]
pub fn in_child(test: &str, variables: &[(&str, &str)], body: impl FnOnce(&Runtime)) -> Printed {
    if env::var(CHILD).is_ok_and(|child| child == test) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        body(&runtime);
        drop(runtime);
        println!("the child has ended normally");
        std::process::exit(0);
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([
        test,
        "--exact",
        "--include-ignored",
        "--nocapture",
        "--test-threads=1",
    ]);
    command
        .env_remove("SQLX_LEASH")
        .env_remove("RUST_BACKTRACE")
        .env(CHILD, test)
        .envs(variables.iter().copied());
    let output = command.output().unwrap();
    let printed = Printed {
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    };
    let ended = printed.out.contains("the child has ended normally");
    assert!(
        output.status.success() && ended,
        "{test} failed in its child:\n{}\n{}",
        printed.out,
        printed.err
    );
    printed
}
