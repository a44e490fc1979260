use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use launcher::workspace::Workspace;

/// Lines of a file without its tests.
const FILE_LINES_MAX: usize = 300;

/// Files and folders on one level of a crate's sources.
const ENTRIES_MAX: usize = 14;

/// The folders that have crates in them.
const CRATES: [&str; 3] = ["", "crates", "dev"];

/// A crate, and the files of its modules by their paths below `src`.
struct Crate {
    name: String,
    files: BTreeMap<PathBuf, String>,
}

impl Crate {
    fn all() -> Result<Vec<Self>> {
        let root = Workspace::find()?.root().to_owned();
        let mut crates = Vec::new();
        for folder in CRATES {
            for entry in fs::read_dir(root.join(folder)).with_context(|| format!("looking into {folder}"))? {
                let path = entry?.path();
                let (source, name) = (path.join("src"), path.strip_prefix(&root)?.display().to_string());
                if source.is_dir() {
                    crates.push(Self { name, files: files(&source)? });
                }
            }
        }
        assert!(crates.len() > 8, "{} crates", crates.len());
        Ok(crates)
    }

    /// The modules of the crate's root, each with the others that its files name.
    fn uses(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut uses = BTreeMap::<String, BTreeSet<String>>::new();
        for (path, text) in &self.files {
            let module = first_name(path);
            if !["lib", "main", "bin"].contains(&module.as_str()) {
                uses.entry(module).or_default().extend(named(text, path.components().count() == 1));
            }
        }
        let modules: BTreeSet<String> = uses.keys().cloned().collect();
        for (module, others) in &mut uses {
            others.retain(|other| other != module && modules.contains(other));
        }
        uses
    }
}

/// All Rust files below a folder, without their tests.
fn files(source: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![source.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_test(&path) {
                let text = fs::read_to_string(&path)?;
                let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned();
                files.insert(path.strip_prefix(source)?.to_owned(), code);
            }
        }
    }
    Ok(files)
}

fn is_test(path: &Path) -> bool {
    let name = path.file_stem().unwrap_or_default();
    name == "tests" || name == "properties" || path.components().any(|part| part.as_os_str() == "tests")
}

fn first_name(path: &Path) -> String {
    let first = path.components().next().expect("a path has a name").as_os_str();
    Path::new(first).with_extension("").display().to_string()
}

/// The names behind `crate::` in code, also in braces, and behind `super::` in a file of the root.
fn named(text: &str, is_in_root: bool) -> BTreeSet<String> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut names = BTreeSet::new();
    let prefixes: &[&str] = if is_in_root { &["crate::", "super::"] } else { &["crate::"] };
    for prefix in prefixes {
        for rest in code.split(prefix).skip(1) {
            let list = rest.strip_prefix('{').and_then(|rest| rest.split('}').next());
            names.extend(list.map_or_else(|| vec![rest], |list| list.split(',').collect()).into_iter().map(name));
        }
    }
    names
}

/// The identifier that a text begins with.
fn name(text: &str) -> String {
    text.trim_start().chars().take_while(|char| char.is_alphanumeric() || *char == '_').collect()
}

/// The modules that reach themselves by way of others.
fn cycles(uses: &BTreeMap<String, BTreeSet<String>>) -> Vec<&String> {
    let reaches_itself = |module: &&String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![*module]);
        while let Some(next) = open.pop() {
            for other in &uses[next] {
                if other == *module {
                    return true;
                }
                if seen.insert(other) {
                    open.push(other);
                }
            }
        }
        false
    };
    uses.keys().filter(reaches_itself).collect()
}

#[test]
fn no_module_reaches_itself_by_way_of_others() -> Result<()> {
    for Crate { name, files } in Crate::all()? {
        let uses = Crate { name: name.clone(), files }.uses();
        let cycles = cycles(&uses);
        assert!(cycles.is_empty(), "{name}: {cycles:?} use one another: {uses:?}");
    }
    Ok(())
}

#[test]
fn files_are_short_and_folders_show_at_a_glance_what_is_in_them() -> Result<()> {
    for Crate { name, files } in Crate::all()? {
        let mut levels = BTreeMap::<PathBuf, BTreeSet<String>>::new();
        for (path, text) in &files {
            let lines = text.lines().count();
            assert!(lines <= FILE_LINES_MAX, "{name}: {} has {lines} lines", path.display());
            for below in path.ancestors().filter(|path| path.file_name().is_some()) {
                let entry = Path::new(below.file_name().expect("it has a name")).with_extension("");
                let level = below.parent().expect("a path below `src`").to_owned();
                levels.entry(level).or_default().insert(entry.display().to_string());
            }
        }
        for (level, entries) in levels {
            assert!(entries.len() <= ENTRIES_MAX, "{name}: src/{} has {}: {entries:?}", level.display(), entries.len());
        }
    }
    Ok(())
}

#[test]
fn a_cycle_is_found() {
    let uses = |pairs: &[(&str, &[&str])]| {
        let owned = pairs
            .iter()
            .map(|(module, others)| ((*module).to_owned(), others.iter().map(|other| (*other).to_owned()).collect()));
        owned.collect::<BTreeMap<String, BTreeSet<String>>>()
    };
    assert_eq!(cycles(&uses(&[("a", &["b"]), ("b", &["c"]), ("c", &[])])), Vec::<&String>::new());
    assert_eq!(cycles(&uses(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"])])), ["b", "c"]);
    assert_eq!(
        named("use crate::a::X;\nuse crate::{b, c::D};\n// crate::e\n", false),
        BTreeSet::from(["a", "b", "c"].map(String::from))
    );
}
