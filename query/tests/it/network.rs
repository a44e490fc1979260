//! A network between the service and Postgres, which can lose connections without a word to either side.

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards connections until it is dropped.
pub(crate) struct Network {
    /// Counts the losses; a connection lives as long as the number it began with.
    losses: watch::Sender<u32>,
}

impl Network {
    /// A network to the server of a URL, and the URL of the database behind it.
    pub(crate) async fn before(database_url: &str) -> (Self, String) {
        let (credentials, place) = database_url.rsplit_once('@').expect("a URL with credentials");
        let (server, database) = place.split_once('/').expect("a URL with a database");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let losses = watch::Sender::new(0);
        tokio::spawn(accept(listener, server.to_owned(), losses.subscribe()));
        (Self { losses }, format!("{credentials}@{address}/{database}"))
    }

    /// Drops everything that is sent over the current connections from now on, without closing them.
    pub(crate) fn lose_connections(&self) {
        self.losses.send_modify(|losses| *losses += 1);
    }
}

async fn accept(listener: TcpListener, server: String, mut losses: watch::Receiver<u32>) {
    while let Ok((mut client, _)) = listener.accept().await {
        losses.borrow_and_update();
        let (server, mut losses) = (server.clone(), losses.clone());
        tokio::spawn(async move {
            let mut server = TcpStream::connect(server).await.expect("Postgres listens");
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => {}
                // Both ends stay open and unread until the test is over.
                Ok(()) = losses.changed() => while losses.changed().await.is_ok() {},
            }
        });
    }
}
