//! The rooms of the runtime: every import runs down the list in ARCHITECTURE.md, and none in a circle.
//!
//! Re-exports are resolved to the file that defines the name. Tests may import what they like.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::{Item, UseTree, Visibility};

type Module = Vec<String>;

/// The definitions, re-exports and imports of one module.
#[derive(Default)]
struct Names {
    defined: BTreeSet<String>,
    /// Each re-exported name, or `*`, and the path that it refers to.
    reexported: Vec<(String, Module)>,
    imported: Vec<Module>,
}

type Modules = BTreeMap<Module, Names>;

/// Reads a file and the files of the modules in the folder beside it.
fn read(file: &Path, module: &Module, modules: &mut Modules) {
    let text = fs::read_to_string(file).unwrap();
    let mut names = Names::default();
    for item in syn::parse_file(&text).unwrap().items {
        let attributes = match &item {
            Item::Mod(it) => &it.attrs,
            Item::Use(it) => &it.attrs,
            _ => &Vec::new(),
        };
        let is_of_tests = attributes.iter().any(|attribute| {
            let Ok(cfg) = attribute.meta.require_list() else {
                return false;
            };
            let words = cfg.tokens.to_string();
            let words: Vec<_> = words.split(|c: char| !c.is_alphanumeric()).collect();
            cfg.path.is_ident("cfg") && (words.contains(&"test") || words.contains(&"doc"))
        });
        if is_of_tests {
            continue;
        }
        let defined = match item {
            Item::Mod(it) if it.content.is_none() => {
                let name = it.ident.to_string();
                let folder = if module.is_empty() {
                    file.with_file_name("")
                } else {
                    file.with_extension("")
                };
                let inner = [&module[..], std::slice::from_ref(&name)].concat();
                read(&folder.join(name + ".rs"), &inner, modules);
                continue;
            }
            Item::Use(it) => {
                let is_import = matches!(it.vis, Visibility::Inherited);
                for (name, path) in flat(&it.tree) {
                    let path = absolute(module, path);
                    // A room's file may re-export what the files beside it define.
                    if is_import || path.first() != module.first() {
                        names.imported.push(path.clone());
                    }
                    if !is_import {
                        names.reexported.push((name, path));
                    }
                }
                continue;
            }
            Item::Const(it) => it.ident,
            Item::Enum(it) => it.ident,
            Item::Fn(it) => it.sig.ident,
            Item::Static(it) => it.ident,
            Item::Struct(it) => it.ident,
            Item::Trait(it) => it.ident,
            Item::Type(it) => it.ident,
            _ => continue,
        };
        names.defined.insert(defined.to_string());
    }
    modules.insert(module.clone(), names);
}

/// Each name that a `use` imports, with its path.
fn flat(tree: &UseTree) -> Vec<(String, Module)> {
    let behind = |first: String, rest: &UseTree| {
        let add = |(name, path): (String, Module)| (name, [vec![first.clone()], path].concat());
        flat(rest).into_iter().map(add).collect()
    };
    match tree {
        UseTree::Path(it) => behind(it.ident.to_string(), &it.tree),
        UseTree::Name(it) if it.ident == "self" => vec![("self".to_owned(), Vec::new())],
        UseTree::Name(it) => vec![(it.ident.to_string(), vec![it.ident.to_string()])],
        UseTree::Rename(it) => vec![(it.rename.to_string(), vec![it.ident.to_string()])],
        UseTree::Glob(_) => vec![("*".to_owned(), Vec::new())],
        UseTree::Group(it) => it.items.iter().flat_map(flat).collect(),
    }
}

/// The path from the root of the crate. A path into another crate resolves to no module.
fn absolute(module: &Module, path: Module) -> Module {
    let mut path = path.into_iter().peekable();
    let mut base = module.clone();
    if path.next_if(|first| first == "crate").is_some() {
        base.clear();
    }
    path.next_if(|first| first == "self");
    while path.next_if(|first| first == "super").is_some() {
        base.pop();
    }
    base.extend(path);
    base
}

/// The module that defines the item at the path.
fn resolve(modules: &Modules, path: &[String]) -> Option<Module> {
    if modules.contains_key(path) {
        return Some(path.to_vec());
    }
    let (name, module) = path.split_last()?;
    let Some(names) = modules.get(module) else {
        // A variant or an associated constant.
        return resolve(modules, module);
    };
    if names.defined.contains(name) {
        return Some(module.to_vec());
    }
    names
        .reexported
        .iter()
        .find_map(|(of, target)| match &**of {
            "*" if modules.contains_key(target) => {
                let inner = [&target[..], std::slice::from_ref(name)].concat();
                resolve(modules, &inner)
            }
            of if of == name => resolve(modules, target),
            _ => None,
        })
}

/// Every module with the modules that it imports from.
fn imports() -> BTreeMap<Module, BTreeSet<Module>> {
    let mut modules = Modules::new();
    let root = super::root().join("runtime/src/lib.rs");
    read(&root, &Vec::new(), &mut modules);
    let of = |(module, names): (&Module, &Names)| {
        let resolved = names.imported.iter();
        let mut from: BTreeSet<_> = resolved
            .filter_map(|path| resolve(&modules, path))
            .filter(|from| !from.is_empty())
            .collect();
        from.remove(module);
        (module.clone(), from)
    };
    modules.iter().map(of).collect()
}

/// The floors of ARCHITECTURE.md, top first, each with its rooms.
fn floors() -> Vec<Vec<String>> {
    let text = fs::read_to_string(super::root().join("ARCHITECTURE.md")).unwrap();
    let (_, rest) = text.split_once("<!-- floors -->\n```text\n").unwrap();
    let (floors, _) = rest.split_once("```").unwrap();
    let rooms = |line: &str| {
        let (rooms, _) = line.split_once("  ").unwrap_or((line, ""));
        rooms.split(' ').map(str::to_owned).collect()
    };
    floors.lines().map(rooms).collect()
}

#[test]
fn imports_run_down() {
    let floors = floors();
    let floor = |module: &Module| {
        let room = module.first().map_or("lib", String::as_str);
        let at = floors
            .iter()
            .position(|floor| floor.iter().any(|it| it == room));
        at.unwrap_or_else(|| panic!("ARCHITECTURE.md lists no room `{room}`"))
    };
    let mut up = Vec::new();
    for (module, from) in imports() {
        for other in from {
            if other.first() != module.first() && floor(&other) <= floor(&module) {
                up.push(format!(
                    "{} imports {}",
                    module.join("::"),
                    other.join("::")
                ));
            }
        }
    }
    assert!(up.is_empty(), "{up:#?}");
}

#[test]
fn no_imports_run_in_a_circle() {
    let mut left = imports();
    // Removes every module whose imports have all been removed, until no more can be removed.
    loop {
        let known: BTreeSet<_> = left.keys().cloned().collect();
        let before = left.len();
        left.retain(|_, from| from.iter().any(|module| known.contains(module)));
        if left.len() == before {
            break;
        }
    }
    let left: Vec<_> = left.keys().map(|module| module.join("::")).collect();
    assert!(left.is_empty(), "in a circle, or above one: {left:#?}");
}

#[test]
fn the_rooms_are_seen() {
    let imports = imports();
    let module = |path: &str| -> Module { path.split("::").map(str::to_owned).collect() };
    assert!(imports.len() > 80, "{} modules", imports.len());
    // By a plain path, through a re-export, and through a glob of re-exports.
    for (of, from) in [
        ("lint::holdings", "handle::owner"),
        ("lint::nested", "lint::emit"),
        ("lint::nested", "config::rules"),
        ("handle", "handle::begun"),
    ] {
        assert!(imports[&module(of)].contains(&module(from)), "{of}, {from}");
    }
}
