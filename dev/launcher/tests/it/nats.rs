//! nats-server comes back with its data.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use anyhow::{Context, Result};
use launcher::install;
use launcher::servers::nats::{MovableClock, Nats, NatsOptions, NatsUser};
use launcher::workspace::Workspace;

/// A client of few words: enough of the protocol to make a stream and to ask how much is in it.
struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    fn connect(nats: &Nats) -> Result<Self> {
        let socket = TcpStream::connect(("127.0.0.1", nats.port()))?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut client = Self { reader: BufReader::new(socket) };
        let operator = nats.user(NatsUser::Operator);
        let login = serde_json::json!({"user": operator.user, "pass": operator.password, "verbose": false});
        client.send(&format!("CONNECT {login}\r\nSUB _INBOX.it 1\r\nPING\r\n"))?;
        client.wait_for("PONG")?;
        Ok(client)
    }

    fn send(&mut self, text: &str) -> Result<()> {
        Ok(self.reader.get_mut().write_all(text.as_bytes())?)
    }

    fn wait_for(&mut self, start: &str) -> Result<String> {
        loop {
            let mut line = String::new();
            anyhow::ensure!(self.reader.read_line(&mut line)? > 0, "the server hung up");
            anyhow::ensure!(!line.starts_with("-ERR"), "the server says {line}");
            if line.starts_with(start) {
                return Ok(line);
            }
        }
    }

    fn request(&mut self, subject: &str, body: &str) -> Result<serde_json::Value> {
        self.send(&format!("PUB {subject} _INBOX.it {}\r\n{body}\r\n", body.len()))?;
        self.wait_for("MSG")?;
        let mut answer = String::new();
        self.reader.read_line(&mut answer)?;
        serde_json::from_str(&answer).with_context(|| format!("reading {answer}"))
    }

    fn messages(&mut self) -> Result<Option<u64>> {
        Ok(self.request("$JS.API.STREAM.INFO.IT", "")?["state"]["messages"].as_u64())
    }
}

#[tokio::test]
async fn a_killed_server_comes_back_on_its_port_with_its_data() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut nats = Nats::start(dir.path()).await?;
    let url = nats.url();
    let mut client = Client::connect(&nats)?;
    let made = client.request("$JS.API.STREAM.CREATE.IT", r#"{"name":"IT","subjects":["it"],"storage":"file"}"#)?;
    anyhow::ensure!(made["error"].is_null(), "{made}");
    let acknowledged = client.request("it", "hello")?;
    assert_eq!(acknowledged["seq"], 1);

    nats.kill().await;
    assert_eq!(nats.process().exit_status().and_then(|status| status.signal()), Some(9));
    assert!(Client::connect(&nats).is_err());

    nats.restart().await?;
    assert_eq!(nats.url(), url);
    assert_eq!(Client::connect(&nats)?.messages()?, Some(1));

    nats.stop().await;
    nats.restart().await?;
    assert_eq!(Client::connect(&nats)?.messages()?, Some(1));
    Ok(())
}

#[tokio::test]
async fn another_start_in_the_same_folder_finds_the_same_ports_and_passwords() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut nats = Nats::start(dir.path()).await?;
    let (url, password) = (nats.url(), nats.user(NatsUser::Ingest).password);
    nats.stop().await;
    drop(nats);
    let nats = Nats::start(dir.path()).await?;
    assert_eq!((nats.url(), nats.user(NatsUser::Ingest).password), (url, password));
    Ok(())
}

#[tokio::test]
async fn a_server_runs_with_another_configuration() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let conf = dir.path().join("other.conf");
    std::fs::write(&conf, "server_name: other\njetstream { store_dir: $NATS_STORE_DIR }\n")?;
    let nats = Nats::start_with(NatsOptions { conf: Some(conf), ..NatsOptions::new(dir.path()) }).await?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let answer = client.get(format!("{}/varz", nats.monitor_url())).send().await?;
    let variables = answer.json::<serde_json::Value>().await?;
    assert_eq!(variables["server_name"], "other");
    Ok(())
}

#[tokio::test]
async fn a_wrong_configuration_is_told_with_what_the_server_says() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let conf = dir.path().join("wrong.conf");
    std::fs::write(&conf, "jetstream { no_such_word: 1 }\n")?;
    let outcome = Nats::start_with(NatsOptions { conf: Some(conf), ..NatsOptions::new(dir.path()) }).await;
    let sentence = outcome.expect_err("the server refuses it").to_string();
    assert!(sentence.contains("no_such_word"), "{sentence}");
    Ok(())
}

#[tokio::test]
async fn a_frozen_server_holds_connections_and_answers_when_it_thaws() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let nats = Nats::start(dir.path()).await?;
    let health = format!("{}/healthz", nats.monitor_url());
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_millis(300)).build()?;
    nats.freeze()?;
    assert!(client.get(&health).send().await.is_err_and(|err| err.is_timeout()));
    nats.thaw();
    let patient = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
    assert!(patient.get(&health).send().await?.status().is_success());
    Ok(())
}

#[tokio::test]
async fn the_clock_of_a_running_server_is_moved_both_ways() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let clock = MovableClock::in_folder(dir.path())?;
    let program = install::nats_server_with_movable_clock(&Workspace::find()?).await?;
    let options =
        NatsOptions { program: Some(program), environment: vec![clock.variable()], ..NatsOptions::new(dir.path()) };
    let nats = Nats::start_with(options).await?;
    for hours in [0, 48, -48] {
        clock.set(hours * 3_600)?;
        let answer: serde_json::Value = reqwest::get(format!("{}/varz", nats.monitor_url())).await?.json().await?;
        let day = answer["now"].as_str().context("a server tells its time")?[..10].to_owned();
        let begun = answer["start"].as_str().context("a server tells when it was started")?[..10].to_owned();
        assert_eq!(day.cmp(&begun), hours.cmp(&0), "{hours} hours ahead: started on {begun}, now it is {day}");
    }
    Ok(())
}
