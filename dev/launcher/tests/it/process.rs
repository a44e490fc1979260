//! A child is stopped, killed, frozen, and its log read.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use launcher::process::{Launch, Process, StopSignal};

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

#[tokio::test]
async fn a_child_that_is_asked_to_end_ends_as_it_likes() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("logs").join("child.log");
    let script = "trap 'echo bye; exit 7' TERM; sleep 1000 & echo $!; wait";
    let child = Process::start(Launch::new("child", shell(script)).log(&log))?;
    wait_for_line(&child, "").await;
    let forgotten = child.log_tail(1);
    assert_eq!(child.stop().await.code(), Some(7));
    within_seconds("what the child forgot is gone", || !is_alive(&forgotten)).await;
    assert_eq!(child.log_tail(1), "bye");
    assert_eq!(child.log(), Some(log.as_path()));
    Ok(())
}

#[tokio::test]
async fn a_log_shows_only_the_lines_of_this_run() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("child.log");
    for run in ["first", "second"] {
        let command = shell(&format!("for line in 1 2 3; do echo {run} $line; done"));
        let child = Process::start(Launch::new("child", command).log(&log))?;
        assert!(child.exit().wait().await.success());
        assert_eq!(child.log_tail(2), format!("{run} 2\n{run} 3"));
        assert!(!child.log_tail(9).contains("first") || run == "first");
    }
    assert_eq!(std::fs::read_to_string(&log)?.lines().count(), 6);
    Ok(())
}

#[tokio::test]
async fn environment_and_folder_reach_the_program() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("child.log");
    let mut command = shell("echo $TIDE; pwd");
    command.env("TIDE", "high").current_dir("/usr");
    let child = Process::start(Launch::new("child", command).log(&log).stop_signal(StopSignal::Kill))?;
    child.exit().wait().await;
    assert_eq!(child.log_tail(2), "high\n/usr");
    Ok(())
}

#[tokio::test]
async fn a_killed_child_takes_its_own_children_along() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("child.log");
    let child = Process::start(Launch::new("child", shell("sleep 1000 & echo $!; wait")).log(&log))?;
    wait_for_line(&child, "").await;
    let grandchild = child.log_tail(1);
    assert!(is_alive(&grandchild));
    assert_eq!(child.kill().await.signal(), Some(9));
    assert!(!is_alive(&grandchild));
    Ok(())
}

#[tokio::test]
async fn a_frozen_child_can_be_killed() -> Result<()> {
    let child = Process::start(Launch::new("child", shell("sleep 1000")))?;
    child.freeze()?;
    assert_eq!(child.kill().await.signal(), Some(9));
    Ok(())
}

#[tokio::test]
async fn a_missing_program_is_told_by_its_log() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let log = dir.path().join("child.log");
    let child = Process::start(Launch::new("child", Command::new("no-such-program")).log(&log))?;
    assert!(!child.exit().wait().await.success());
    assert!(child.log_tail(1).contains("no-such-program"), "{}", child.log_tail(1));
    Ok(())
}

/// Waits until the child has said a line that begins so.
async fn wait_for_line(child: &Process, start: &str) {
    within_seconds("the child speaks", || child.log_tail(9).lines().any(|line| line.starts_with(start))).await;
}

async fn within_seconds(what: &str, is_true: impl Fn() -> bool) {
    let poll = async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), poll).await.expect(what);
}

fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, fields)| !fields.starts_with(" Z"))
}
