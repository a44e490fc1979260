//! The copy of the project that guards are taken out of. It lies in the build folder, and is kept there with what was
//! built from it, so that a second run need not build everything anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use launcher::build::Profile;
use launcher::process::{Launch, Process};
use launcher::workspace::Workspace;

use super::guard::{GUARDS, Guard};

/// What is no source.
const LEFT_OUT: [&str; 3] = ["target", ".git", ".tidemark"];

/// A copy of the project.
#[derive(Debug)]
pub(super) struct Copy {
    original: PathBuf,
    folder: PathBuf,
}

impl Copy {
    /// Makes it anew from what the project is now.
    pub(super) fn make() -> Result<Self> {
        let original = Workspace::find()?.root().to_owned();
        let folder = original.join("target/guards/project");
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        for entry in fs::read_dir(&original).context("looking into the project")? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|name| !LEFT_OUT.contains(&name)) {
                // With its times, so that cargo sees what has changed.
                let status = Command::new("cp").arg("-a").args([entry.path(), folder.clone()]).status()?;
                ensure!(status.success(), "cp ended with {status}");
            }
        }
        let copy = Self { original, folder };
        // What a run before this one was built without must be built anew, although the copies are older than that.
        for guard in &GUARDS {
            copy.put_back(guard)?;
        }
        Ok(copy)
    }

    pub(super) fn take_out(&self, guard: &Guard) -> Result<()> {
        let source = fs::read_to_string(self.original.join(guard.file))?;
        ensure!(source.matches(guard.with).count() == 1, "{} is not once in {}", guard.with, guard.file);
        fs::write(self.folder.join(guard.file), source.replace(guard.with, guard.without))?;
        Ok(())
    }

    pub(super) fn put_back(&self, guard: &Guard) -> Result<()> {
        // Written, not copied: cargo has to see that it is another file once more.
        fs::write(self.folder.join(guard.file), fs::read(self.original.join(guard.file))?)?;
        Ok(())
    }

    /// Builds the services, and answers where they are.
    pub(super) async fn build(&self, profile: Profile) -> Result<PathBuf> {
        let mut arguments = vec!["build", "--workspace", "--bins"];
        let folder = match profile {
            Profile::Dev => "debug",
            Profile::Release => {
                arguments.push("--release");
                "release"
            }
        };
        let is_built = self.cargo(&arguments).await?;
        ensure!(is_built, "the copy does not compile");
        Ok(self.target().join(folder))
    }

    /// Whether a test of the copy fails, of those in `tests/it`.
    pub(super) async fn fails(&self, package: &str, name: &str) -> Result<bool> {
        ensure!(self.cargo(&["test", "-p", package, "--test", "it", "--no-run"]).await?, "the copy does not compile");
        let is_green = self.cargo(&["test", "-p", package, "--test", "it", "--", "--exact", name]).await?;
        Ok(!is_green)
    }

    /// Whether it succeeds.
    async fn cargo(&self, arguments: &[&str]) -> Result<bool> {
        let mut command = Command::new("cargo");
        command.args(arguments).current_dir(&self.folder).env("CARGO_TARGET_DIR", self.target());
        // Which project this one is built from must not show there.
        command.env_remove("CARGO_MANIFEST_DIR");
        let process = Process::start(Launch::new("cargo", command))?;
        Ok(process.exit().wait().await.success())
    }

    fn target(&self) -> PathBuf {
        self.folder.parent().map(Path::to_owned).unwrap_or_default().join("target")
    }
}
