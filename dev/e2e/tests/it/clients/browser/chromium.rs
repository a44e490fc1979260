//! Chromium and its driver, for tests of pages: found on PATH, else installed as the distribution's package.

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use launcher::install::{Version, apt, found_or_installed, install_log, on_path};
use launcher::workspace::Workspace;

/// Oldest version whose headless mode is the real browser.
const OLDEST: Version = Version::new(112, 0);

/// A browser and its driver, of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChromiumPrograms {
    /// The browser.
    pub(crate) browser: PathBuf,
    /// The driver.
    pub(crate) driver: PathBuf,
}

/// The browser, installed if this machine has none and no password is needed.
///
/// # Errors
///
/// One sentence that says what to install when that is not possible.
pub(crate) async fn chromium(workspace: &Workspace) -> Result<ChromiumPrograms> {
    found_or_installed(workspace, find, install(workspace)).await
}

async fn install(workspace: &Workspace) -> Result<ChromiumPrograms> {
    // The package depends on the browser of the same version.
    let installed = apt::install("Installing Chromium", "chromium-driver", install_log(workspace)).await;
    installed.map_err(|err| {
        anyhow!(
            "Chromium {OLDEST} or newer was not found and cannot be installed ({err:#}): run `apt-get install \
             chromium-driver` and start again."
        )
    })?;
    find().ok_or_else(|| anyhow!("This system's own Chromium is older than {OLDEST}: install a newer one."))
}

fn find() -> Option<ChromiumPrograms> {
    let newest = |names: [&str; 2]| {
        let mut programs = names.into_iter().flat_map(on_path);
        programs.find_map(|program| {
            Version::of(&program).filter(|version| *version >= OLDEST).map(|found| (found, program))
        })
    };
    let (version, driver) = newest(["chromedriver", "chromium-driver"])?;
    let (_, browser) = newest(["chromium", "google-chrome"]).filter(|(found, _)| found.major == version.major)?;
    Some(ChromiumPrograms { browser, driver })
}
