//! nginx, for tests of services behind a proxy.

/// Finds nginx, or unpacks it.
mod install;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use launcher::ports;
use launcher::process::{Launch, Process};
use launcher::servers::{answering, start_on_ports};
use launcher::workspace::Workspace;

/// Path that nginx answers by itself, for the check of readiness.
const READY_PATH: &str = "/nginx-is-ready";

/// A running nginx, killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Nginx {
    port: u16,
    _process: Process,
}

impl Nginx {
    /// Starts nginx with these directives in its `server` block, and with its files in `dir`, which is created if it is missing.
    ///
    /// # Errors
    ///
    /// nginx is missing and cannot be unpacked, or does not start.
    pub(crate) async fn start(dir: &Path, directives: &str) -> Result<Self> {
        let program = install::nginx(&Workspace::find()?).await?;
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        let start = async |[port]: [u16; 1]| on(port, &program, dir, directives).await;
        let started = start_on_ports([ports::free()], start);
        let (process, [port]) = started.await?;
        Ok(Self { port, _process: process })
    }

    /// Port of HTTP.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

async fn on(port: u16, program: &Path, dir: &Path, directives: &str) -> Result<Option<Process>> {
    let file = dir.join("nginx.conf");
    fs::write(&file, configuration(port, dir, directives)).with_context(|| format!("writing {}", file.display()))?;
    let mut command = Command::new(program);
    command.arg("-p").arg(dir).arg("-c").arg(&file).args(["-e", "stderr"]);
    let process = Process::start(Launch::new("nginx", command).log(dir.join("nginx.log")))?;
    answering(process, port, &format!("http://127.0.0.1:{port}{READY_PATH}")).await
}

/// The configuration: one process, so that it dies with the launcher, and all files in the folder.
fn configuration(port: u16, dir: &Path, directives: &str) -> String {
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|kind| format!("  {kind}_temp_path {}/{kind};\n", dir.display())).concat();
    format!(
        "daemon off;\nmaster_process off;\npid {}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n  access_log off;\n\
         {temporary}  server {{\n    listen 127.0.0.1:{port};\n    location = {READY_PATH} {{ return 200; }}\n\
         {directives}\n  }}\n}}\n",
        dir.display()
    )
}
