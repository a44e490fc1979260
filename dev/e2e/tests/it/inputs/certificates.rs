//! An authority of a test's own, and certificates of servers on this machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

/// Whether a certificate is good now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Validity {
    /// For as long as any test runs.
    Valid,
    /// Validity ended years ago.
    Expired,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    /// The certificate.
    pub(crate) certificate: String,
    /// Its key.
    pub(crate) key: String,
}

/// Issues certificates, to whom it likes. Its own is in a file.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    dir: TempDir,
}

impl Authority {
    /// A new authority, which no server trusts yet.
    pub(crate) fn new() -> Result<Self> {
        let key = KeyPair::generate().context("making a key")?;
        let dir = tempfile::Builder::new().prefix("tidemark-authority-").tempdir().context("making a folder")?;
        let mut params = CertificateParams::new(vec![])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // No two have the same name.
        params.distinguished_name.push(DnType::CommonName, dir.path().display().to_string());
        let certificate = params.self_signed(&key).context("signing its own certificate")?.pem();
        std::fs::write(dir.path().join("authority.pem"), &certificate)?;
        Ok(Self { issuer: Issuer::new(params, key), certificate, dir })
    }

    /// Its own certificate, in PEM.
    pub(crate) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The file of it.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("authority.pem")
    }

    /// The folder of that file, for others.
    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// A certificate for a server of this name or address.
    pub(crate) fn issue(&self, name: &str, validity: Validity) -> Result<Issued> {
        let key = KeyPair::generate().context("making a key")?;
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        if validity == Validity::Expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let certificate = params.signed_by(&key, &self.issuer).context("signing")?.pem();
        Ok(Issued { certificate, key: key.serialize_pem() })
    }
}

impl Issued {
    /// Puts both into these files, whose names are `NAME.pem` and `NAME.key`. Each is there as a whole or not at all.
    pub(crate) fn save(&self, folder: &Path, name: &str) -> Result<[String; 2]> {
        let certificate = save(folder, &format!("{name}.pem"), &self.certificate)?;
        Ok([certificate, save(folder, &format!("{name}.key"), &self.key)?])
    }
}

fn save(folder: &Path, name: &str, text: &str) -> Result<String> {
    let (draft, place) = (folder.join(format!("{name}.new")), folder.join(name));
    std::fs::write(&draft, text)?;
    std::fs::rename(&draft, &place)?;
    Ok(place.to_str().context("a path of ASCII")?.to_owned())
}
