//! A browser, as a reader of the dashboard has one.

/// Finds Chromium and its driver, or installs them.
mod chromium;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use launcher::ports;
use launcher::process::ready;
use launcher::process::{Launch, Process};
use launcher::workspace::Workspace;
use serde_json::json;
use tempfile::TempDir;
use testkit::wait;
use thirtyfour::common::log::LoggingPrefsLogLevel;
use thirtyfour::prelude::*;

/// A page comes within this time, on a machine that does other things too.
const PAGE_BOUND: Duration = Duration::from_secs(20);

/// The folder for pictures. Without it they go where the tests' other files go.
const PICTURES: &str = "TIDEMARK_SCREENSHOTS";

/// A window of Chromium without a screen. To be closed with [`Browser::quit`].
pub(crate) struct Browser {
    /// What drives it.
    pub(crate) web: WebDriver,
    pictures: PathBuf,
    _driver: Process,
    /// Its settings and caches, empty at the beginning.
    _profile: TempDir,
}

/// A window of a browser.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    /// CSS pixels.
    pub(crate) width: u32,
    /// CSS pixels.
    pub(crate) height: u32,
    /// Whether dark colours are preferred.
    pub(crate) is_dark: bool,
}

impl Screen {
    /// On a desk.
    pub(crate) const DESK: Self = Self { width: 1440, height: 900, is_dark: false };

    /// In a hand.
    pub(crate) const PHONE: Self = Self { width: 375, height: 812, is_dark: false };

    /// A browser that prefers dark colours.
    #[must_use]
    pub(crate) fn dark(self) -> Self {
        Self { is_dark: true, ..self }
    }
}

impl Browser {
    /// Starts it. Pictures are put into the folder, unless the environment names another one.
    ///
    /// # Errors
    ///
    /// There is no Chromium and none can be installed, or it does not start.
    pub(crate) async fn start(pictures: &Path) -> Result<Self> {
        let programs = chromium::chromium(&Workspace::find()?).await?;
        let profile = tempfile::Builder::new().prefix("tidemark-browser-").tempdir().context("making a folder")?;
        let port = ports::free();
        let mut command = Command::new(&programs.driver);
        command.arg(format!("--port={port}"));
        let log = profile.path().join("chromedriver.log");
        let driver = Process::start(Launch::new("chromedriver", command).log(log))?;
        let address = format!("http://127.0.0.1:{port}");
        ready::wait_for_http(&driver, &format!("{address}/status")).await?;

        let mut wanted = DesiredCapabilities::chrome();
        wanted.set_binary(&programs.browser.to_string_lossy())?;
        let folder = format!("--user-data-dir={}", profile.path().join("profile").display());
        // Root has no sandbox, and the pages are our own. Containers have little shared memory.
        for argument in ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", &folder] {
            wanted.add_arg(argument)?;
        }
        // Tests issue certificates themselves.
        wanted.accept_insecure_certs(true)?;
        wanted.set_browser_log_level(LoggingPrefsLogLevel::All)?;
        let web = WebDriver::new(address, wanted).await.context("opening a window")?;
        let pictures = std::env::var_os(PICTURES).map_or_else(|| pictures.to_owned(), PathBuf::from);
        std::fs::create_dir_all(&pictures).with_context(|| format!("creating {}", pictures.display()))?;
        Ok(Self { web, pictures, _driver: driver, _profile: profile })
    }

    /// Looks at pages with this from now on.
    pub(crate) async fn use_screen(&self, screen: Screen) -> Result<()> {
        let Screen { width, height, is_dark } = screen;
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600});
        self.web.cdp().send_raw("Emulation.setDeviceMetricsOverride", metrics).await?;
        let scheme = if is_dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.web.cdp().send_raw("Emulation.setEmulatedMedia", media).await?;
        Ok(())
    }

    /// Takes a picture of the whole page, however long it is.
    ///
    /// # Errors
    ///
    /// The browser is gone, or there is no room for the picture.
    pub(crate) async fn picture(&self, name: &str, screen: Screen) -> Result<()> {
        let height = self.number("return document.documentElement.scrollHeight").await?;
        self.use_screen(Screen { height: u32::try_from(height)?.max(screen.height), ..screen }).await?;
        self.web.screenshot(&self.pictures.join(format!("{name}.png"))).await?;
        self.use_screen(screen).await
    }

    /// What a script in the page returns, a whole number.
    pub(crate) async fn number(&self, script: &str) -> Result<u64> {
        let returned = self.web.execute(script, Vec::new()).await?;
        returned.json().as_u64().with_context(|| format!("{script}: {}", returned.json()))
    }

    /// Clicks on what leads to another page, and waits until the old one is gone: commands wait for the new one then.
    pub(crate) async fn follow(&self, by: By) -> Result<()> {
        let page = self.web.find(By::Tag("html")).await?;
        self.web.find(by).await?.click().await?;
        wait::until("another page", PAGE_BOUND, async || page.tag_name().await.is_err().then_some(())).await;
        Ok(())
    }

    /// The text of the first element that a CSS selector finds.
    pub(crate) async fn text(&self, selector: &str) -> Result<String> {
        Ok(self.web.find(By::Css(selector)).await?.text().await?)
    }

    /// What the browser has complained about since it was asked last: scripts that fail, files that are missing, and
    /// whatever the page's policy forbids.
    pub(crate) async fn complaints(&self) -> Result<Vec<String>> {
        let log = self.web.browser_log().await?;
        Ok(log.into_iter().filter(|entry| entry.level != "INFO").map(|entry| entry.message).collect())
    }

    /// Closes it.
    pub(crate) async fn quit(self) -> Result<()> {
        Ok(self.web.quit().await?)
    }
}
