//! A connection, plain or through TLS, that everything above reads and writes alike.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

/// An open connection of either role.
pub enum Connection {
    /// TCP alone.
    Plain(TcpStream),
    /// TLS over TCP, as client or server.
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    /// The TCP connection below.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Connection::Plain(tcp) => tcp,
            Connection::Tls(tls) => tls.get_ref().0,
        }
    }

    /// True through TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self, Connection::Tls(_))
    }

    /// True while TLS has bytes that the kernel has not taken yet.
    pub fn holds_back(&self) -> bool {
        match self {
            Connection::Plain(_) => false,
            Connection::Tls(tls) => tls.get_ref().1.wants_write(),
        }
    }

    /// The version of TLS that was agreed upon, as `TLS 1.3`; `None` for plain TCP.
    pub fn tls_version(&self) -> Option<&'static str> {
        let Connection::Tls(tls) = self else { return None };
        Some(match tls.get_ref().1.protocol_version()? {
            rustls::ProtocolVersion::TLSv1_2 => "TLS 1.2",
            rustls::ProtocolVersion::TLSv1_3 => "TLS 1.3",
            _ => "TLS",
        })
    }

    /// The address of the other side.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp().peer_addr()
    }

    /// Moves a plain connection to the runtime that this is called in, so that its wake-ups stay on that thread.
    pub fn adopt(self) -> io::Result<Self> {
        match self {
            Connection::Plain(tcp) => tcp.into_std().and_then(TcpStream::from_std).map(Connection::Plain),
            tls => Ok(tls),
        }
    }

    /// Abandons the connection with a reset: what the kernel still holds is thrown away, and the peer learns at once.
    /// A plain close would queue its end behind a backlog that a stuck peer may never read.
    pub fn reset(self) {
        // An error means that there is no connection any more, which is what is wanted.
        let _ = self.tcp().set_zero_linger();
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.is_tls() { "tls" } else { "plain" };
        write!(f, "Connection({kind}, {:?})", self.peer_addr().ok())
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Plain(tcp) => Pin::new(tcp).poll_read(cx, buffer),
            Connection::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Connection::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Connection::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Connection::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, slices),
            Connection::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Connection::Plain(tcp) => tcp.is_write_vectored(),
            Connection::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Connection::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Connection::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Connection::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Connection::Plain(client), listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn a_reset_throws_away_what_was_not_sent() {
        let (mut ours, mut theirs) = pair().await;
        // More than the kernel takes while nobody reads: the write must not finish.
        let backlog = vec![0u8; 64 << 20];
        tokio::select! {
            biased;
            written = ours.write_all(&backlog) => written.unwrap(),
            _ = theirs.readable() => {}
        }
        ours.reset();
        let mut taken = Vec::new();
        assert_eq!(theirs.read_to_end(&mut taken).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_dropped_connection_ends_in_good_order() {
        let (mut ours, mut theirs) = pair().await;
        assert!(ours.is_write_vectored());
        ours.write_all(b"last").await.unwrap();
        drop(ours);
        let mut taken = Vec::new();
        theirs.read_to_end(&mut taken).await.unwrap();
        assert_eq!(taken, b"last");
    }
}
