use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use launcher::workspace::Workspace;

/// Words for programs as if they were persons: a sentence names the program, the client, the operator, the reader.
const PERSONS: [&str; 4] = ["whoever", "somebody", "nobody", "those who"];

/// The account of that name that Unix systems have.
const ACCOUNT: [&str; 2] = ["`nobody`", "\"nobody\""];

/// Beginnings of doc comments that mean something only beside the line above: rustdoc shows the first sentence alone.
const DEPENDENT: [&str; 12] =
    ["The same", "And", "Of", "It", "They", "Them", "Those", "These", "That", "This", "…", "..."];

/// What is no text of the project: builds, data, history, and what others have checked.
const LEFT_OUT: [&str; 8] = ["target", ".git", ".tidemark", ".sqlx", "corpus", "migrations", "artifacts", "archive"];

/// Endings of files with prose in them.
const ENDINGS: [&str; 11] = ["rs", "md", "toml", "yml", "yaml", "sql", "conf", "service", "js", "css", "json"];

/// Paths and texts of all files with prose.
fn texts() -> Result<Vec<(PathBuf, String)>> {
    let root = Workspace::find()?.root().to_owned();
    let (mut texts, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() && !LEFT_OUT.contains(&name.as_str()) {
                folders.push(path);
            } else if has_prose(&path) {
                texts.push((path.strip_prefix(&root)?.to_owned(), fs::read_to_string(&path)?));
            }
        }
    }
    assert!(texts.len() > 300, "{} files", texts.len());
    Ok(texts)
}

fn has_prose(path: &Path) -> bool {
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    path.is_file() && ENDINGS.contains(&&*ending) && !path.ends_with("dev/e2e/tests/it/prose.rs")
}

/// Whether a line has a word or two of these, as a whole.
fn personifies(line: &str) -> bool {
    let line = ACCOUNT.iter().fold(line.to_lowercase(), |line, account| line.replace(account, ""));
    let words: Vec<&str> =
        line.split(|char: char| !char.is_alphanumeric() && char != '_').filter(|word| !word.is_empty()).collect();
    let pairs = words.windows(2).map(|pair| pair.join(" "));
    words.iter().any(|word| PERSONS.contains(word)) || pairs.into_iter().any(|pair| PERSONS.contains(&pair.as_str()))
}

/// Whether a line begins a doc comment that cannot be understood alone. A line of one whose line before goes on is none.
fn depends(before: &str, line: &str) -> bool {
    let doc = |line: &str| {
        let mut marks = ["///", "//!"].iter();
        marks.find_map(|mark| Some(line.trim_start().strip_prefix(mark)?.trim().to_owned()))
    };
    let Some(text) = doc(line).filter(|_| doc(before).is_none()) else { return false };
    DEPENDENT.iter().any(|word| {
        let rest = text.strip_prefix(word);
        rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    })
}

#[test]
fn programs_are_named_and_no_persons() -> Result<()> {
    let found: Vec<String> = texts()?
        .iter()
        .flat_map(|(path, text)| {
            let lines = text.lines().enumerate().filter(|(_, line)| personifies(line));
            lines.map(move |(number, line)| format!("{}:{}: {}", path.display(), number + 1, line.trim()))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

#[test]
fn doc_comments_can_be_understood_alone() -> Result<()> {
    let mut found = Vec::new();
    for (path, text) in texts()? {
        let mut before = "";
        for (number, line) in text.lines().enumerate() {
            if depends(before, line) {
                found.push(format!("{}:{}: {}", path.display(), number + 1, line.trim()));
            }
            before = line;
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

#[test]
fn what_is_looked_for_is_found() {
    assert!(personifies("for whoever asks") && personifies("Those who know") && personifies("nobody."));
    assert!(!personifies("the account `nobody`"));
    assert!(depends("", "    /// The same.") && depends("fn f() {", "/// It does.") && depends("", "//! … up to this"));
    assert!(!depends("/// The first line", "/// That goes on.") && !depends("", "/// Items are counted"));
}
