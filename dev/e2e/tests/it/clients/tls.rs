//! A client that speaks TLS, and trusts one authority.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::inputs::certificates::Authority;

/// Nothing takes longer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The client.
#[derive(Clone)]
pub(crate) struct SecureClient {
    connector: TlsConnector,
    config: Arc<ClientConfig>,
    port: u16,
}

/// A connection of it.
pub(crate) struct SecureConnection(TlsStream<TcpStream>);

impl SecureClient {
    /// A client of the server at this port, which must have a certificate of this authority.
    pub(crate) fn new(port: u16, authority: &Authority) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate().as_bytes())?)?;
        let config = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let config = Arc::new(config);
        Ok(Self { connector: config.clone().into(), config, port })
    }

    /// Opens a connection, in which it is sure of the other end.
    pub(crate) async fn connect(&self) -> Result<SecureConnection> {
        let name = ServerName::try_from("127.0.0.1").context("an address")?;
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.context("connecting")?;
        let agreeing = self.connector.connect(name, stream);
        let stream = tokio::time::timeout(TIMEOUT, agreeing).await.context("agreeing takes too long")??;
        Ok(SecureConnection(stream))
    }

    /// Opens a connection that both ends speak HTTP/2 on.
    ///
    /// # Errors
    ///
    /// As [`SecureClient::connect`], or the other end does not know it.
    pub(crate) async fn connect_http2(&self) -> Result<TlsStream<TcpStream>> {
        let mut config = self.config.as_ref().clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let config = Arc::new(config);
        let client = Self { connector: config.clone().into(), config, port: self.port };
        let SecureConnection(stream) = client.connect().await?;
        anyhow::ensure!(stream.get_ref().1.alpn_protocol() == Some(b"h2"), "the other end does not agree on HTTP/2");
        Ok(stream)
    }

    /// Sends a request on a connection of its own, and answers status line, headers and body as they came.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Result<String> {
        self.connect().await?.ask(method, path, body).await
    }
}

impl SecureConnection {
    /// Sends a request on this connection and closes it.
    pub(crate) async fn ask(mut self, method: &str, path: &str, body: &str) -> Result<String> {
        let length = body.len();
        let headers = format!("host: 127.0.0.1\r\nconnection: close\r\ncontent-length: {length}");
        let request = format!("{method} {path} HTTP/1.1\r\n{headers}\r\n\r\n{body}");
        let mut answer = String::new();
        let exchange = async {
            self.0.write_all(request.as_bytes()).await?;
            self.0.read_to_string(&mut answer).await
        };
        tokio::time::timeout(TIMEOUT, exchange).await.context("the answer takes too long")??;
        Ok(answer)
    }
}
