//! Prometheus with the project's own scrape configuration and rules: the targets are a stack's, and nothing is waited for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use launcher::workspace::Workspace;
use serde_json::Value;
use tempfile::TempDir;
use testkit::clients::http::{Answer, Client};

use crate::servers::prometheus::Prometheus;

/// A Prometheus that watches a stack.
pub(crate) struct Monitoring {
    client: Client,
    _prometheus: Prometheus,
    _dir: TempDir,
}

/// An alert, as Prometheus tells of it.
#[derive(Debug, Clone)]
pub(crate) struct Alert(Value);

/// The folder of the rules and of the scrape configuration.
pub(crate) fn rules_folder() -> Result<PathBuf> {
    Ok(Workspace::find()?.root().join("deploy/prometheus"))
}

/// The expressions of the dashboard, and of each panel its title.
pub(crate) fn dashboard() -> Result<Vec<(String, String)>> {
    let path = Workspace::find()?.root().join("deploy/grafana/tidemark.json");
    let dashboard: Value = serde_json::from_slice(&fs::read(&path)?).context("reading the dashboard")?;
    let panels = dashboard["panels"].as_array().context("a dashboard has panels")?;
    let expressions = panels.iter().flat_map(|panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(|target| (text(&panel["title"]), text(&target["expr"])))
    });
    Ok(expressions.collect())
}

impl Monitoring {
    /// Starts it for services at these ports: ingest, query, projector.
    ///
    /// # Errors
    ///
    /// Prometheus cannot be had, or does not take the configuration.
    pub(crate) async fn start(ports: [u16; 3]) -> Result<Self> {
        Self::start_with_keys(ports, &[]).await
    }

    /// Starts Prometheus where jobs have keys: `keys` has the name of each such job and the file with its key.
    pub(crate) async fn start_with_keys(ports: [u16; 3], keys: &[(&str, &Path)]) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("tidemark-prometheus-").tempdir().context("making a folder")?;
        let configuration = write(&rules_folder()?, dir.path(), ports, keys)?;
        let prometheus = Prometheus::start(&dir.path().join("prometheus"), &configuration).await?;
        Ok(Self { client: Client::new(prometheus.port()), _prometheus: prometheus, _dir: dir })
    }

    /// What an expression comes to now: its series.
    pub(crate) async fn query(&self, expression: &str) -> Result<Vec<Value>> {
        let mut path = reqwest::Url::parse("http://prometheus/api/v1/query")?;
        path.query_pairs_mut().append_pair("query", expression);
        let path = format!("{}?{}", path.path(), path.query().unwrap_or_default());
        let answer = self.client.get(&path).await?;
        ensure!(answer.status == 200, "{expression}: {}", answer.text);
        Ok(list(&answer, "result"))
    }

    /// The alerts that fire now.
    pub(crate) async fn firing(&self) -> Result<Vec<Alert>> {
        let alerts = list(&self.client.get("/api/v1/alerts").await?, "alerts");
        Ok(alerts.into_iter().filter(|alert| alert["state"] == "firing").map(Alert).collect())
    }
}

impl Alert {
    /// Whether it is of this name, and has these labels beside others.
    pub(crate) fn is(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        let has = |label: &str, value: &str| self.0["labels"][label] == value;
        has("alertname", name) && labels.iter().all(|(label, value)| has(label, value))
    }

    /// What it tells people.
    pub(crate) fn summary(&self) -> String {
        text(&self.0["annotations"]["summary"])
    }
}

/// The project's own files with other targets, an interval of a second, and alerts that fire a second after their
/// expressions are true. What the expressions are stays as it is.
fn write(from: &Path, to: &Path, [ingest, query, projector]: [u16; 3], keys: &[(&str, &Path)]) -> Result<PathBuf> {
    let mut configuration = read(&from.join("prometheus.yml"))?;
    let replacements = [("3000", ingest.to_string()), ("3001", query.to_string()), ("3002", projector.to_string())];
    for (port, other) in replacements {
        let (target, other) = (format!("\"127.0.0.1:{port}\""), format!("\"127.0.0.1:{other}\""));
        ensure!(configuration.contains(&target), "prometheus.yml has no target {target}");
        configuration = configuration.replace(&target, &other);
    }
    for (job, file) in keys {
        let named = format!("- job_name: {job}\n");
        ensure!(configuration.contains(&named), "prometheus.yml has no job {job}");
        let authorized = format!("{named}    authorization: {{ credentials_file: {} }}\n", file.display());
        configuration = configuration.replace(&named, &authorized);
    }
    ensure!(configuration.contains("interval: 15s"), "prometheus.yml has other intervals");
    let path = to.join("prometheus.yml");
    fs::write(&path, configuration.replace("interval: 15s", "interval: 1s"))?;
    let rules = read(&from.join("alerts.yml"))?;
    let hurried: Vec<_> = rules.lines().map(without_patience).collect();
    fs::write(to.join("alerts.yml"), hurried.join("\n"))?;
    Ok(path)
}

/// A line of the rules, with a second instead of minutes where it says how long an alert is pending.
fn without_patience(line: &str) -> String {
    match line.split_once("for: ") {
        Some((indent, duration)) if indent.trim().is_empty() && duration.ends_with('m') => format!("{indent}for: 1s"),
        _ => line.to_owned(),
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

fn list(answer: &Answer, name: &str) -> Vec<Value> {
    answer.json()["data"][name].as_array().cloned().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
