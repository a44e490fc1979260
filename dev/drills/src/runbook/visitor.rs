//! Visitors of sites, and what they send.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::sleep;

use testkit::clients::http::{Answer, Client};

/// Between two visits, so that there is something to watch.
pub(super) const VISIT_PAUSE: Duration = Duration::from_millis(500);

/// One in each of four partitions, in order. The second has the traffic that goes on by itself, and stays where it is when
/// a fifth partition comes.
pub(super) const SITES: [&str; 4] = ["a", "blog", "site-abc-123", "semicomplete.com"];

/// With an id of its own, as SDKs send them.
pub(super) fn event(site: &str, path: &str) -> String {
    let id = rand::random::<u64>();
    format!(
        r#"{{"site_id":"{site}","event_type":"page_view","path":"{path}","timestamp":"2025-11-12T19:30:01Z","event_id":"{id}"}}"#
    )
}

pub(super) async fn post(client: &Client, path: &str, body: String) -> Result<Answer> {
    let answer = client.post(path, body).await?;
    ensure!(answer.status == 200, "POST {path} was answered {} {}", answer.status, answer.text);
    Ok(answer)
}

/// Posts for ever, and does not care whether anybody is there.
pub(super) async fn visit(client: Client) {
    loop {
        let _ = post(&client, "/event", event(SITES[1], "/")).await;
        sleep(VISIT_PAUSE).await;
    }
}
