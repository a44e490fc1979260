//! CPU time of processes, as `/proc` tells it.

use anyhow::{Context, Result};
use launcher::process::tree;
use procfs::process::{Process, Stat};

/// CPU seconds of a process and everything below it, living and waited for.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let root = stat(pid).with_context(|| format!("reading the times of process {pid}"))?;
    let waited_for = (root.cutime + root.cstime).cast_unsigned();
    let living = tree::descendants(pid).into_iter().filter_map(|child| stat(child).ok());
    let ticks = waited_for + living.chain([root]).map(|stat| stat.utime + stat.stime).sum::<u64>();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    Ok(ticks as f64 / procfs::ticks_per_second() as f64)
}

fn stat(pid: u32) -> procfs::ProcResult<Stat> {
    Process::new(pid.cast_signed())?.stat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_something() {
        let begun = std::time::Instant::now();
        while begun.elapsed() < std::time::Duration::from_millis(50) {}
        assert!(cpu_seconds(std::process::id()).expect("it lives") > 0.0);
    }
}
