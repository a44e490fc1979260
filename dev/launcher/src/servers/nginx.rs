//! nginx, for tests of what is behind a proxy.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{port_was_taken, start_on_ports};
use crate::install;
use crate::ports;
use crate::process::{Launch, Process};
use crate::progress;
use crate::ready;
use crate::workspace::Workspace;

/// Where it says that it is there.
const READY_PATH: &str = "/nginx-is-ready";

/// A running nginx. Dropped, it is killed.
#[derive(Debug)]
pub struct Nginx {
    port: u16,
    _process: Process,
}

impl Nginx {
    /// Starts a server with these directives in its `server` block, and with its files in `dir`, which is made when it is
    /// missing.
    ///
    /// # Errors
    ///
    /// When nginx is missing and cannot be unpacked, or does not start.
    pub async fn start(dir: &Path, directives: &str) -> Result<Self> {
        let program = install::nginx(&Workspace::find()?).await?;
        fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        let start = async |[port]: [u16; 1]| on(port, &program, (dir, directives)).await;
        let started = start_on_ports([ports::free()], start);
        let (process, [port]) = progress::step("Starting nginx", started).await?;
        Ok(Self { port, _process: process })
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }
}

async fn on(port: u16, program: &Path, (dir, directives): (&Path, &str)) -> Result<Option<Process>> {
    let file = dir.join("nginx.conf");
    fs::write(&file, configuration(port, dir, directives)).with_context(|| format!("writing {}", file.display()))?;
    let mut command = Command::new(program);
    command.arg("-p").arg(dir).arg("-c").arg(&file).args(["-e", "stderr"]);
    let process = Process::start(Launch::new("nginx", command).log(dir.join("nginx.log")))?;
    let client = ready::client()?;
    let url = format!("http://127.0.0.1:{port}{READY_PATH}");
    // On a port lost to another one, that one would answer for ours.
    let is_ready = async || ready::answers(&client, &url).await && ports::is_held_by(port, process.pid());
    match ready::wait_for(&process, is_ready).await {
        Err(_) if port_was_taken(&process) => Ok(None),
        outcome => outcome.map(|()| Some(process)),
    }
}

/// One process, so that it dies with its launcher; all of its files are in the folder.
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
