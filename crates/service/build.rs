//! Passes the commit to the compiler: from `TIDEMARK_COMMIT`, else from git, else `unknown`.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=TIDEMARK_COMMIT");
    let given = std::env::var("TIDEMARK_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(|| git(&["rev-parse", "--short=12", "HEAD"]));
    println!("cargo::rustc-env=TIDEMARK_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    // Changes with every commit, checkout and reset.
    match git(&["rev-parse", "--path-format=absolute", "--git-path", "logs/HEAD"]) {
        Some(log) if std::path::Path::new(&log).is_file() => println!("cargo::rerun-if-changed={log}"),
        _ => println!("cargo::rerun-if-changed=build.rs"),
    }
}

/// Output of git; `None` without git, or outside of a repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|said| said.trim().to_owned())
}
