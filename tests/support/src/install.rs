//! Finds server binaries on this machine, and a user to run them as.

use std::env;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

/// A user, from a line of the user database.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Finds a program on the `PATH`, in the usual directories of servers, or in Debian's directories of PostgreSQL, newest
/// version first.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/local/bin", "/usr/local/sbin", "/usr/sbin", "/usr/bin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(usual)
        .chain(debian_postgres())
        .map(|directory| directory.join(name))
        .find(|file| {
            fs::metadata(file)
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        })
}

fn debian_postgres() -> Vec<PathBuf> {
    let Ok(versions) = fs::read_dir("/usr/lib/postgresql") else {
        return Vec::new();
    };
    let mut versions: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .collect();
    versions.sort_by(|a, b| b.cmp(a));
    versions
        .into_iter()
        .map(|(_, directory)| directory)
        .collect()
}

/// Returns a user to run a server as, because servers refuse to run as root. `None` if this process does not run as
/// root.
pub(crate) fn unprivileged(account: &str) -> Result<Option<User>, String> {
    // The owner of `/proc/self` is the effective user of the process.
    if fs::metadata("/proc/self").is_ok_and(|me| me.uid() != 0) {
        return Ok(None);
    }
    let users =
        fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
    [account, "nobody"]
        .iter()
        .find_map(|name| user(&users, name))
        .map(Some)
        .ok_or_else(|| {
            format!("servers do not run as root, and there is no user `{account}` or `nobody`")
        })
}

fn user(users: &str, name: &str) -> Option<User> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        (uid != 0).then_some(User { uid, gid })
    })
}

#[cfg(test)]
mod tests {
    use super::{User, user};

    const USERS: &str =
        "root:x:0:0:root:/root:/bin/sh\nmysql:x:102:105:MySQL Server,,,:/nonexistent:/bin/false\n";

    #[track_caller]
    fn check(name: &str, expected: Option<&User>) {
        assert_eq!(user(USERS, name).as_ref(), expected);
    }

    #[test]
    fn a_user_is_found_by_name() {
        check("mysql", Some(&User { uid: 102, gid: 105 }));
    }

    #[test]
    fn a_part_of_a_name_finds_no_user() {
        check("my", None);
    }

    #[test]
    fn root_is_never_returned() {
        check("root", None);
    }
}
