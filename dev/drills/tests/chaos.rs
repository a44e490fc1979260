//! The chaos run, in seconds: each kind of process is killed at least once.

use anyhow::Result;
use drills::chaos::{self, Options};

/// Long enough for every process to be killed; `cargo run --release -p drills --bin chaos` runs for longer.
const SECONDS: f64 = 20.0;

#[tokio::test]
async fn everything_that_is_acknowledged_is_counted_once_whatever_dies() -> Result<()> {
    let options = Options {
        minutes: SECONDS / 60.0,
        seed: None,
        rate: 300,
        calm_seconds: 7,
        no_resends: false,
        dev: true,
        services: None,
    };
    let outcome = chaos::run(options).await?;
    println!("{outcome}");
    assert!(outcome.is_pass(), "{outcome}");
    assert!(outcome.kills_min() > 0, "each kind of process was killed: {outcome}");
    Ok(())
}
