//! What is promised of all packages, in each of the three workspaces: no `unsafe`, and no newer Rust than is stated.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

const WORKSPACES: [&str; 3] = [
    "Cargo.toml",
    "tests/off/Cargo.toml",
    "tests/smol/Cargo.toml",
];

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the workspace around").to_owned()
}

/// What cargo knows of a workspace and its dependencies on this platform.
fn packages(manifest: &str) -> Vec<Value> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--manifest-path",
        ])
        .arg(root().join(manifest))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

fn version(text: &str) -> Vec<u32> {
    let mut parts: Vec<u32> = text.split('.').map(|part| part.parse().unwrap()).collect();
    parts.resize(3, 0);
    parts
}

#[test]
fn no_dependency_wants_a_newer_rust_than_is_stated() {
    let stated = version(env!("CARGO_PKG_RUST_VERSION"));
    for manifest in WORKSPACES {
        let packages = packages(manifest);
        let wanting: Vec<_> = packages
            .iter()
            .filter(|package| {
                let wanted = package["rust_version"].as_str();
                wanted.is_some_and(|wanted| version(wanted) > stated)
            })
            .map(|package| (&package["name"], &package["rust_version"]))
            .collect();
        assert!(wanting.is_empty(), "{manifest}: {wanting:?}");
    }
}

/// The lint forbids it where it is on; here it is seen that nobody is left out.
#[test]
fn no_package_may_be_unsafe() {
    for manifest in WORKSPACES {
        let ours = packages(manifest);
        let ours: Vec<_> = ours
            .iter()
            .filter(|package| package["source"].is_null())
            .collect();
        assert!(!ours.is_empty(), "{manifest}");
        for package in ours {
            let path = package["manifest_path"].as_str().unwrap();
            let text = fs::read_to_string(path).unwrap();
            let forbids = text.contains("[lints]\nworkspace = true")
                || text.contains("[lints.rust]\nunsafe_code = \"forbid\"");
            assert!(forbids, "{path} does not forbid unsafe code");
        }
    }
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("[workspace.lints.rust]\nunsafe_code = \"forbid\""));
}
