//! TLS 1.2 and 1.3 of incoming connections, with a certificate that is read again when its file changes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use crate::file_watch::{self, Files, read_bounded};

/// Maximum bytes of a record of TLS.
const RECORD_BYTES_MAX: usize = 16 << 10;

/// Memory of a connection's TLS: one record that is being received, and one that is being sent.
pub(super) const TLS_BYTES: u64 = 2 * RECORD_BYTES_MAX as u64;

/// Maximum bytes of a file: hundreds of certificates of 2 kB.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Gauge that is 1 while the files cannot be read, and the certificate is that of the last reading.
const STALE: &str = "tls_certificate_stale";

/// Protocols of ALPN, by preference.
pub(super) const HTTP_2: &[u8] = b"h2";
const HTTP_1_1: &[u8] = b"http/1.1";

/// Files of a certificate and its key.
#[derive(Debug, Clone)]
pub struct Identity {
    certificates: PathBuf,
    key: PathBuf,
}

/// Certificate of incoming connections.
#[derive(Clone)]
pub struct Tls(watch::Receiver<Arc<ServerConfig>>);

impl Identity {
    /// Files of `TLS_CERT_FILE` and `TLS_KEY_FILE`; `None` is plain HTTP.
    ///
    /// # Errors
    ///
    /// Only one of the variables is set.
    pub fn of(certificates: Option<&PathBuf>, key: Option<&PathBuf>) -> anyhow::Result<Option<Self>> {
        match (certificates.cloned(), key.cloned()) {
            (None, None) => Ok(None),
            (Some(certificates), Some(key)) => Ok(Some(Self { certificates, key })),
            _ => bail!("TLS_CERT_FILE and TLS_KEY_FILE belong together: set both, or none"),
        }
    }

    /// Checks that both files can be read.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or the key is not the certificate's. Validity and names of the certificate are not checked.
    pub fn check(&self) -> anyhow::Result<()> {
        self.read().map(drop)
    }

    fn read(&self) -> anyhow::Result<ServerConfig> {
        let certificates =
            certificates(&self.certificates).with_context(|| named(&self.certificates, "TLS_CERT_FILE"))?;
        let key = key(&self.key).with_context(|| named(&self.key, "TLS_KEY_FILE"))?;
        let mut config = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .context("choosing versions of TLS")?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .context("TLS_KEY_FILE has no key of the first certificate in TLS_CERT_FILE")?;
        config.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1_1.to_vec()];
        Ok(config)
    }
}

impl Tls {
    /// Reads the files, and watches them.
    ///
    /// # Errors
    ///
    /// As [`Identity::check`]. Later failures are only logged and measured.
    pub fn follow(identity: Identity) -> anyhow::Result<Self> {
        let paths = vec![identity.certificates.clone(), identity.key.clone()];
        let read = Box::new(move || identity.read());
        file_watch::follow(Files { what: "certificates", paths, read, measure }).map(Self)
    }

    /// Performs the TLS handshake with a client. Then at most one record waits to be sent.
    pub(super) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let config = self.0.borrow().clone();
        let mut stream = TlsAcceptor::from(config).accept(stream).await?;
        stream.get_mut().1.set_buffer_limit(Some(RECORD_BYTES_MAX));
        Ok(stream)
    }
}

/// Checks the file of authorities that certify other servers, if a variable names one.
///
/// # Errors
///
/// The file cannot be read, or has no certificate.
pub fn check_authorities(variable: &str, file: Option<&PathBuf>) -> anyhow::Result<()> {
    let Some(path) = file else { return Ok(()) };
    certificates(path).map(drop).with_context(|| named(path, variable))
}

fn named(path: &Path, variable: &str) -> String {
    format!("reading {} ({variable})", path.display())
}

fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read: Vec<_> =
        CertificateDer::pem_slice_iter(&text(path)?).collect::<Result<_, _>>().context("it is no PEM")?;
    ensure!(!read.is_empty(), "it has no certificate in PEM");
    Ok(read)
}

fn key(path: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    // Without the cause, which might show a line of the file.
    PrivateKeyDer::from_pem_slice(&text(path)?).ok().context("it has no key in PEM")
}

fn text(path: &Path) -> anyhow::Result<Vec<u8>> {
    let text = read_bounded(path, FILE_BYTES_MAX)?;
    ensure!(text.len() as u64 <= FILE_BYTES_MAX, "it is larger than {FILE_BYTES_MAX} bytes");
    Ok(text)
}

fn measure(_: &ServerConfig, is_stale: bool) {
    metrics::describe_gauge!(STALE, metrics::Unit::Count, "1 while the files of the certificate cannot be read");
    metrics::gauge!(STALE).set(u32::from(is_stale));
}
