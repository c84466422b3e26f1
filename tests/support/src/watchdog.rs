//! A child process that does not outlive this one.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::install::User;

/// Runs a command, and waits in the background for the end of the script's standard input. This is a pipe whose other
/// end the test process holds, and the kernel closes that end however the process ends. The script then stops the
/// command with the given signal and removes its directory. The file `over` marks that the command did not end by
/// itself.
const SCRIPT: &str = r#"
directory=$1 signal=$2
shift 2
exec 3<&0 </dev/null
"$@" 3<&- &
child=$!
{
    cat
    : > "$directory/over"
    kill -s "$signal" "$child"
} <&3 >/dev/null 2>&1 &
watch=$!
exec 3<&-
wait "$child"
status=$?
if [ -e "$directory/over" ]; then
    rm -rf -- "$directory"
else
    kill "$watch" 2>/dev/null
fi
exit "$status"
"#;

/// Starts `command` (a program and its arguments) as `user`. When this process ends, `signal` stops the command. The
/// output goes to `log`.
pub(crate) fn start(
    command: &[String],
    signal: &str,
    directory: &Path,
    user: Option<&User>,
    log: &File,
) -> io::Result<Child> {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", SCRIPT, "sh"])
        .arg(directory)
        .arg(signal)
        .args(command)
        .current_dir(directory)
        .env("LC_ALL", "C")
        // At its start, MariaDB removes old temporary tables, and takes those of another starting server for such.
        .env("TMPDIR", directory)
        .stdin(Stdio::piped())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?)
        // Ctrl-C must reach the test process only. The end of the pipe then stops the command.
        .process_group(0);
    if let Some(user) = user {
        shell.uid(user.uid).gid(user.gid);
    }
    shell.spawn()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::start;

    fn command(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_end_of_the_pipe_stops_the_command_and_removes_the_directory() {
        let directory = tempfile::tempdir().unwrap().keep();
        let log = File::create(directory.join("log")).unwrap();
        let mut child =
            start(&command(&["sleep", "1000"]), "TERM", &directory, None, &log).unwrap();
        assert!(child.try_wait().unwrap().is_none());
        // The kernel does the same when this process ends.
        drop(child.stdin.take());
        assert!(!child.wait().unwrap().success());
        assert!(!directory.exists());
    }

    #[test]
    fn a_command_that_ends_by_itself_leaves_the_directory() {
        let directory = tempfile::tempdir().unwrap();
        let log = File::create(directory.path().join("log")).unwrap();
        let mut child = start(
            &command(&["sh", "-c", "echo said; exit 7"]),
            "TERM",
            directory.path(),
            None,
            &log,
        )
        .unwrap();
        // `wait` would close the pipe first.
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            std::thread::yield_now();
        };
        assert_eq!(status.code(), Some(7));
        assert_eq!(
            fs::read_to_string(directory.path().join("log")).unwrap(),
            "said\n"
        );
    }
}
