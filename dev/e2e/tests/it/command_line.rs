use std::process::{Command, Output};

use anyhow::{Context, Result};
use launcher::build::{self, Profile};
use launcher::workspace::Workspace;

const SECRET: &str = "no-one-may-read-0123456789abcdef";

/// Runs a program to its end with these variables alone.
fn run(program: &std::path::Path, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Output> {
    let mut command = Command::new(program);
    command.env_clear().args(arguments).envs(environment.iter().copied());
    command.output().with_context(|| format!("starting {}", program.display()))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Where all variables of all processes are.
fn documented() -> Result<String> {
    let path = Workspace::find()?.root().join(".env.example");
    std::fs::read_to_string(path).context("reading .env.example")
}

#[tokio::test]
async fn every_program_says_its_version_and_what_can_be_set() -> Result<()> {
    let programs = build::services(Profile::Dev).await?;
    let documented = documented()?;
    for (program, about, least) in [
        (&programs.ingest, "Accepts events", 18),
        (&programs.projector, "Folds the log", 17),
        (&programs.query, "Answers reports", 14),
    ] {
        let version = text(&run(program, &["--version"], &[])?.stdout);
        assert!(version.contains(" (commit ") && version.trim_end().ends_with(')'), "{version}");
        let help = text(&run(program, &["--help"], &[])?.stdout);
        assert!(help.starts_with(about), "{help}");
        let (_, variables) = help.split_once("Environment [default]").context("help tells of variables")?;
        let names: Vec<_> = variables.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
        assert!(names.len() >= least, "only {names:?}");
        for name in names {
            assert!(
                documented.contains(&format!("\n#{name}=")) || documented.contains(&format!("\n{name}=")),
                "{name}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_configuration_is_checked_and_shown_without_secrets() -> Result<()> {
    let programs = build::services(Profile::Dev).await?;
    let url = format!("postgres://someone:{SECRET}@127.0.0.1:5432/tidemark");
    let key = "0123456789abcdef0123456789abcdef";
    let all = [("DATABASE_URL", url.as_str()), ("NATS_PASSWORD", SECRET), ("NATS_USER", "ingest"), ("SKETCH_KEY", key)];
    for program in [&programs.ingest, &programs.projector, &programs.query] {
        let checked = run(program, &["--check-config"], &all)?;
        let (shown, complaint) = (text(&checked.stdout), text(&checked.stderr));
        assert!(checked.status.success(), "{complaint}");
        assert!(!shown.contains(SECRET) && !shown.contains(key) && complaint.is_empty(), "{shown}{complaint}");
        // Each variable that help names, but those that are no part of the configuration, is shown.
        let help = text(&run(program, &["--help"], &[])?.stdout);
        let variables = help.lines().skip_while(|line| !line.starts_with("Environment")).skip(1);
        for name in variables.filter_map(|line| line.split_whitespace().next()) {
            let is_read_elsewhere = name == "RUST_LOG" || name.starts_with("OTEL_");
            assert_eq!(shown.contains(&format!("{name}=")), !is_read_elsewhere, "{name} in {shown}");
        }
        for name in shown.lines().filter_map(|line| line.split('=').next()) {
            assert!(help.contains(&format!("  {name} ")), "help says nothing of {name}");
        }
    }
    let with_credentials = format!("nats://operator:{SECRET}@127.0.0.1:4222");
    let refused = |program, variable, value| -> Result<String> {
        let environment = [&all[..], &[(variable, value)]].concat();
        let checked = run(program, &["--check-config"], &environment)?;
        assert!(!checked.status.success() && checked.stdout.is_empty(), "{}", text(&checked.stdout));
        let complaint = text(&checked.stderr);
        assert!(!complaint.contains(SECRET) && complaint.contains(variable), "{complaint}");
        Ok(complaint)
    };
    refused(&programs.ingest, "PARTITIONS", "0")?;
    refused(&programs.ingest, "PUBLISH_DEADLINE_MS", "soon")?;
    refused(&programs.projector, "STALL_MAX_MS", "1")?;
    refused(&programs.projector, "FOLD_VERSION", "99")?;
    for program in [&programs.ingest, &programs.query] {
        let both = refused(program, "RATE_PER_KEY", "5")?;
        assert!(both.contains("_KEYS_FILE must name a file"), "{both}");
        refused(program, "RATE_PER_ADDRESS", "fast")?;
        refused(program, "TRUSTED_PROXIES", "localhost")?;
    }
    let missing = refused(&programs.ingest, "INGEST_KEYS_FILE", "/nowhere/keys")?;
    assert!(missing.contains("keys add"), "{missing}");
    refused(&programs.query, "QUERY_KEYS_FILE", "/nowhere/keys")?;
    for program in [&programs.ingest, &programs.query] {
        let alone = refused(program, "TLS_CERT_FILE", "/nowhere/certificate.pem")?;
        assert!(alone.contains("TLS_KEY_FILE belong together"), "{alone}");
    }
    for program in [&programs.ingest, &programs.projector] {
        refused(program, "NATS_CA_FILE", "/nowhere/authority.pem")?;
        let credentials = refused(program, "NATS_URL", &with_credentials)?;
        assert!(credentials.contains("NATS_PASSWORD"), "{credentials}");
    }
    refused(&programs.query, "QUERY_AFTER_TIMEOUT_MS", "9000")?;
    refused(&programs.query, "DATABASE_URL", &format!("nonsense//{SECRET}"))?;
    Ok(())
}
