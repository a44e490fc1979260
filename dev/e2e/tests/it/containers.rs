use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};
use launcher::workspace::Workspace;

const FILES: [&str; 2] = ["compose.yaml", "compose.cluster.yaml"];

fn read(path: &str) -> Result<String> {
    fs::read_to_string(Workspace::find()?.root().join(path)).with_context(|| format!("reading {path}"))
}

/// The names of variables that a file of Docker Compose takes from `.env`.
fn variables(text: &str) -> BTreeSet<&str> {
    let is_name = |letter: char| letter.is_ascii_uppercase() || letter == '_' || letter.is_ascii_digit();
    let begin = text.split("${").skip(1);
    begin.map(|rest| rest.split(|letter| !is_name(letter)).next().unwrap_or_default()).collect()
}

#[test]
fn every_variable_of_the_containers_is_documented() -> Result<()> {
    let documented = read(".env.example")?;
    for (file, least) in FILES.into_iter().zip([30, 1]) {
        let text = read(file)?;
        let names = variables(&text);
        assert!(names.len() >= least, "only {names:?} in {file}");
        for name in names {
            let is_there = |line: &str| line.trim_start_matches('#').starts_with(&format!("{name}="));
            assert!(documented.lines().any(is_there), "{name} of {file}");
        }
    }
    Ok(())
}

/// Docker makes an empty folder in the place of what is missing.
#[test]
fn what_is_mounted_into_containers_is_there() -> Result<()> {
    let root = Workspace::find()?;
    let mut mounted = 0;
    for file in FILES {
        for rest in read(file)?.split(" ./").skip(1) {
            let (path, target) = rest.split_once(':').context("a path and where it is mounted")?;
            assert!(root.root().join(path).exists(), "{path} of {file}, mounted at {target}");
            mounted += 1;
        }
    }
    assert!(mounted >= 3, "only {mounted}");
    Ok(())
}

/// Rules go by the names of the jobs.
#[test]
fn prometheus_in_a_container_scrapes_what_the_other_one_does() -> Result<()> {
    let jobs = |path| -> Result<Vec<String>> {
        let text = read(path)?;
        Ok(text.lines().filter(|line| line.contains("job_name:")).map(str::to_owned).collect())
    };
    let alone = jobs("deploy/prometheus/prometheus.yml")?;
    assert!(alone.len() == 3 && alone == jobs("deploy/prometheus/compose.yml")?, "{alone:?}");
    Ok(())
}
