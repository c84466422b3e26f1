//! Guarantees for all packages of every workspace: no `unsafe`, no newer Rust than the manifests state, the order of the
//! rooms, the words of a page.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

mod compiling;
mod order;

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the workspace around").to_owned()
}

/// Every manifest below the folder, except those in build directories.
fn manifests(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if name == "Cargo.toml" {
            found.push(entry.path());
        } else if entry.file_type().unwrap().is_dir() && name != "target" {
            found.extend(manifests(&entry.path()));
        }
    }
    found
}

fn has_line(manifest: &Path, wanted: &str) -> bool {
    let text = fs::read_to_string(manifest).unwrap();
    text.lines().any(|line| line == wanted)
}

fn workspaces() -> Vec<PathBuf> {
    let mut found = manifests(&root());
    found.retain(|manifest| has_line(manifest, "[workspace]"));
    assert!(found.contains(&root().join("Cargo.toml")));
    found
}

/// The metadata that cargo reports for a workspace and its dependencies on this platform.
fn packages(manifest: &Path) -> Vec<Value> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--manifest-path",
        ])
        .arg(manifest)
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
    for manifest in workspaces() {
        let packages = packages(&manifest);
        let wanting: Vec<_> = packages
            .iter()
            .filter(|package| {
                let wanted = package["rust_version"].as_str();
                wanted.is_some_and(|wanted| version(wanted) > stated)
            })
            .map(|package| (&package["name"], &package["rust_version"]))
            .collect();
        assert!(wanting.is_empty(), "{}: {wanting:?}", manifest.display());
    }
}

/// Whether the table under this heading forbids `unsafe`.
fn forbids(manifest: &Path, heading: &str) -> bool {
    let text = fs::read_to_string(manifest).unwrap();
    text.contains(&format!("{heading}\nunsafe_code = \"forbid\""))
}

/// The manifest of the workspace that a package belongs to.
fn workspace_of(package: &Path) -> PathBuf {
    let mut around = package.ancestors().skip(1).map(|it| it.join("Cargo.toml"));
    around
        .find(|manifest| manifest.exists() && has_line(manifest, "[workspace]"))
        .unwrap_or_else(|| panic!("{} is in no workspace", package.display()))
}

/// The lint forbids `unsafe` wherever it is on; this test checks that every package turns it on.
#[test]
fn no_package_may_be_unsafe() {
    let mut packages = manifests(&root());
    packages.retain(|manifest| has_line(manifest, "[package]"));
    assert!(packages.contains(&root().join("runtime/Cargo.toml")));
    for package in packages {
        let text = fs::read_to_string(&package).unwrap();
        let inherits = text.contains("[lints]\nworkspace = true");
        assert!(
            forbids(&package, "[lints.rust]")
                || inherits && forbids(&workspace_of(&package), "[workspace.lints.rust]"),
            "{} does not forbid unsafe code",
            package.display()
        );
    }
}
