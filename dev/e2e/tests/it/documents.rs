use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use launcher::build::{self, Profile};
use launcher::workspace::Workspace;

/// Folders of the project that hold output and exist only after a build or a run.
const OUTPUT: [&str; 2] = ["target", ".tidemark"];

/// Set to any value, tests write the generated parts of documents instead of comparing them.
const REGENERATE: &str = "TIDEMARK_REGENERATE";

/// A document with its fenced blocks taken out.
struct Document {
    path: PathBuf,
    text: String,
}

impl Document {
    fn read(path: PathBuf) -> Result<Self> {
        let whole = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let mut is_fenced = false;
        let mut text = String::new();
        for line in whole.lines() {
            let is_fence = line.trim_start().starts_with("```");
            is_fenced ^= is_fence;
            if !is_fenced && !is_fence {
                writeln!(text, "{line}")?;
            }
        }
        Ok(Self { path, text })
    }

    /// Targets of links.
    fn links(&self) -> impl Iterator<Item = &str> {
        self.text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
    }

    /// Inline code.
    fn code(&self) -> impl Iterator<Item = &str> {
        self.text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
    }

    /// Anchors of headings, as GitHub makes them.
    fn anchors(&self) -> BTreeSet<String> {
        let headings = self.text.lines().filter(|line| line.starts_with('#'));
        headings.map(|heading| anchor(heading.trim_start_matches('#').trim())).collect()
    }
}

fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn root() -> Result<PathBuf> {
    Ok(Workspace::find()?.root().to_owned())
}

/// Files with this ending in a folder, without those in folders below it.
fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|found| found == ending)).collect())
}

/// Sources below a folder.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = files(folder, "rs")?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let is_output = path.file_name().is_some_and(|name| OUTPUT.iter().any(|output| name == *output));
        if path.is_dir() && !is_output {
            found.extend(sources(&path)?);
        }
    }
    Ok(found)
}

fn documents() -> Result<Vec<Document>> {
    let root = root()?;
    let mut paths = [files(&root, "md")?, files(&root.join("docs"), "md")?].concat();
    paths.extend(["nats/README.md", "dev/fuzz/README.md"].map(|path| root.join(path)));
    for entry in fs::read_dir(root.join("crates"))? {
        paths.extend(files(&entry?.path(), "md")?);
    }
    ensure!(paths.len() > 8, "only {paths:?}");
    paths.into_iter().map(Document::read).collect()
}

#[test]
fn links_lead_to_files_and_headings() -> Result<()> {
    for document in documents()? {
        for link in document.links().filter(|link| !link.contains("://")) {
            let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
            let folder = document.path.parent().context("a document lies in a folder")?;
            let target = if file.is_empty() { document.path.clone() } else { folder.join(file) };
            assert!(target.exists(), "{} links to {link}, which does not exist", document.path.display());
            if let Some(heading) = heading {
                let anchors = Document::read(target)?.anchors();
                assert!(anchors.contains(heading), "{} links to {link}: no such heading", document.path.display());
            }
        }
    }
    Ok(())
}

#[test]
fn paths_in_documents_exist() -> Result<()> {
    let root = root()?;
    for document in documents()? {
        for code in document.code().filter(|code| !code.contains([' ', '*', '…', '<', '{', '=', '?'])) {
            let Some((first, _)) = code.split_once('/') else { continue };
            if first.is_empty() || OUTPUT.contains(&first) || !root.join(first).is_dir() {
                continue;
            }
            assert!(root.join(code).exists(), "{} names {code}, which does not exist", document.path.display());
        }
    }
    Ok(())
}

/// Documents name a test as `module::function` or `crate::module`.
#[test]
fn tests_in_documents_exist() -> Result<()> {
    let mut names = BTreeSet::new();
    for source in sources(&root()?)? {
        let text = fs::read_to_string(&source)?;
        let functions = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
        names.extend(functions.map(ToOwned::to_owned));
        names.extend(source.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    for document in documents()? {
        for code in document.code().filter(|code| code.contains("::")) {
            let is_path = code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | ':'));
            let Some(name) = code.rsplit("::").next().filter(|name| is_path && !name.is_empty()) else { continue };
            assert!(names.contains(name), "{} names {code}, which does not exist", document.path.display());
        }
    }
    Ok(())
}

#[test]
fn the_front_page_and_the_map_stay_short() -> Result<()> {
    for (name, kilobytes_max) in [("README.md", 8), ("ARCHITECTURE.md", 16)] {
        let bytes = fs::metadata(root()?.join(name))?.len();
        assert!(bytes <= kilobytes_max * 1024, "{name} has {bytes} bytes; move something to docs/");
    }
    Ok(())
}

/// `TIDEMARK_REGENERATE=1` writes the tables anew.
#[tokio::test]
async fn the_page_of_variables_is_what_programs_say() -> Result<()> {
    let path = root()?.join("docs/configuration.md");
    let written = fs::read_to_string(&path)?;
    let programs = build::services(Profile::Dev).await?;
    let mut generated = written.clone();
    for (name, program) in
        [("ingest", &programs.ingest), ("projector", &programs.projector), ("query", &programs.query)]
    {
        let (begin, end) = (format!("<!-- generated: {name} -->\n"), "<!-- end -->");
        let (before, rest) = generated.split_once(&begin).with_context(|| format!("no {begin}"))?;
        let (_, after) = rest.split_once(end).context("no end")?;
        generated = format!("{before}{begin}\n{}\n{end}{after}", table(program)?);
    }
    if std::env::var_os(REGENERATE).is_some() {
        fs::write(&path, generated)?;
        return Ok(());
    }
    assert!(
        generated == written,
        "docs/configuration.md is out of date; \
         {REGENERATE}=1 cargo test -p e2e --test it the_page_of_variables_is_what_programs_say writes it anew"
    );
    Ok(())
}

/// The variables of a program, from its `--help`.
fn table(program: &Path) -> Result<String> {
    let help = std::process::Command::new(program).arg("--help").env_clear().output()?;
    let help = String::from_utf8(help.stdout)?;
    let (_, variables) = help.split_once("Environment [default]").context("help has no variables")?;
    let mut table = String::from("| variable | default | meaning |\n|---|---|---|\n");
    for line in variables.lines().skip(1).map(str::trim).filter(|line| !line.is_empty()) {
        let (name, meaning) = line.split_once("  ").context("a name and a meaning")?;
        let default = meaning.strip_suffix(']').and_then(|meaning| meaning.rsplit_once(" ["));
        let (meaning, default) = default.unwrap_or((meaning, ""));
        writeln!(table, "| `{name}` | {default} | {} |", meaning.trim())?;
    }
    Ok(table)
}

#[test]
fn the_page_of_the_interface_has_every_error_code() -> Result<()> {
    let root = root()?;
    let page = fs::read_to_string(root.join("docs/api.md"))?;
    let (_, errors) = page.split_once("\n## Errors").context("no section of errors")?;
    let rows = errors.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(1));
    let documented: BTreeSet<_> = rows.flat_map(|codes| codes.split('`').skip(1).step_by(2)).collect();
    let mut in_code = BTreeSet::new();
    for folder in ["ingest/src", "query/src", "crates"] {
        for source in sources(&root.join(folder))? {
            let text = fs::read_to_string(source)?;
            in_code.extend(codes(&text).map(ToOwned::to_owned));
        }
    }
    let in_code: BTreeSet<_> = in_code.iter().map(String::as_str).collect();
    assert_eq!(documented, in_code, "docs/api.md beside the sources");
    Ok(())
}

/// Calls that take an error code first.
const REFUSALS: [&str; 12] = [
    "bad_request(",
    "unauthorized(",
    "forbidden(",
    "too_many(",
    "too_large(",
    "unsupported(",
    "too_slow(",
    "unavailable(",
    "StatusCode::NOT_FOUND, ",
    "StatusCode::MISDIRECTED_REQUEST, ",
    "StatusCode::METHOD_NOT_ALLOWED, ",
    "StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, ",
];

/// Error codes in a source: what functions named `code` answer, and what refusals are made with.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    let functions = text.split("fn code(").skip(1).filter_map(|rest| rest.split("    fn ").next());
    let bodies = functions.filter_map(|rest| rest.split("\n}\n").next());
    let answers = bodies.flat_map(|body| body.split("=> ").skip(1));
    let refusals = REFUSALS.into_iter().flat_map(|call| text.split(call).skip(1));
    let literals = answers.chain(refusals).filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
    literals.filter(|code| code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))
}
