//! Children die with their parent, however it dies.
//!
//! The parent is this very program, started again with a variable that says what to do.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use launcher::process::{Launch, Process};
use launcher::servers::nats::Nats;
use launcher::servers::postgres::Postgres;

/// Tells the parent where to work; unset in an ordinary run.
const FOLDER: &str = "TIDEMARK_ORPHAN_TEST";

/// Maximum time for a parent to start its servers, and for its children to die.
const LIMIT: Duration = Duration::from_secs(20);

/// Not a test in an ordinary run: the parent that gets killed.
#[tokio::test]
async fn parent() -> Result<()> {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return Ok(());
    };
    let folder = Path::new(&folder);
    let nats = Nats::start(&folder.join("nats")).await?;
    let postgres = Postgres::start(&folder.join("postgres")).await?;
    // Started from a thread that is gone long before the parent is.
    let starter = std::thread::spawn(|| Process::start(Launch::new("child", sleeper())));
    let child = starter.join().expect("the thread does not panic")?;
    let frozen = Process::start(Launch::new("frozen", sleeper()))?;
    frozen.freeze()?;
    let pids = [nats.process(), postgres.process(), &child, &frozen].map(|process| process.pid().to_string());
    std::fs::write(folder.join("draft"), pids.join("\n"))?;
    std::fs::rename(folder.join("draft"), folder.join("pids"))?;
    std::future::pending().await
}

#[test]
fn children_die_with_a_parent_that_is_killed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut parent = start_parent(folder.path())?;
    let pids = folder.path().join("pids");
    wait_until("the parent's servers run", || pids.exists() || parent.try_wait().is_ok_and(|exit| exit.is_some()))?;
    let children = std::fs::read_to_string(&pids).context("the parent ended before its servers ran")?;
    let mut children: Vec<String> = children.lines().map(str::to_owned).collect();
    ensure!(children.len() == 4 && children.iter().all(|pid| is_alive(pid)), "{children:?}");
    children.extend(below(&children[1]));
    ensure!(children.len() > 6, "Postgres has children of its own: {children:?}");

    parent.kill()?;
    parent.wait()?;
    wait_until("all children are gone", || !children.iter().any(|pid| is_alive(pid)))
}

fn start_parent(folder: &Path) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--exact", "orphan::parent", "--nocapture"]).env(FOLDER, folder);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.spawn().context("starting the parent")
}

fn sleeper() -> Command {
    let mut command = Command::new("sleep");
    command.arg("1000");
    command
}

#[expect(clippy::disallowed_methods, reason = "a stranger's death sends no notice; the deadline is the assertion")]
fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) -> Result<()> {
    let started = Instant::now();
    while !is_true() {
        ensure!(started.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// The children of a process.
fn below(parent: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().into_string().ok());
    pids.filter(|pid| stat(pid).is_some_and(|(_, ppid)| ppid == parent)).collect()
}

/// Whether a process is alive; a zombie only waits until its exit status is read.
fn is_alive(pid: &str) -> bool {
    stat(pid).is_some_and(|(state, _)| state != "Z")
}

/// State and parent.
fn stat(pid: &str) -> Option<(String, String)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned);
    Some((fields.next()?, fields.next()?))
}
