//! Tests that need a process of their own: for the environment, for what is set once, for numbers of the whole process.

use std::env;
use std::process::Command;

use tokio::runtime::{Builder, Runtime};

/// Names the test that runs in the child.
const CHILD: &str = "LEASH_TEST_CHILD";

/// What a child printed.
#[derive(Debug)]
pub struct Printed {
    /// To stdout.
    pub out: String,
    /// To stderr.
    pub err: String,
}

/// Runs `body` in a process of its own, with these environment variables, and gives what it printed. `test` is the full
/// name of the calling test, which is run again there.
///
/// In the child this does not return.
#[track_caller]
pub fn in_child(test: &str, variables: &[(&str, &str)], body: impl FnOnce(&Runtime)) -> Printed {
    if env::var(CHILD).is_ok_and(|child| child == test) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        body(&runtime);
        drop(runtime);
        println!("the child has come to its end");
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
    let ended = printed.out.contains("the child has come to its end");
    assert!(
        output.status.success() && ended,
        "{test} failed in its child:\n{}\n{}",
        printed.out,
        printed.err
    );
    printed
}
