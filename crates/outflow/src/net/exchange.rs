//! Reading from a peer that sends media, while what the session has to say is written as far as the socket takes it: a
//! peer that does not read must not keep us from reading.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use outflow_rtmp::session::{ClientSession, ServerSession};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::connection::Connection;

/// What has bytes to say now and then: a session of either role.
pub trait Speaker {
    /// True if [`Speaker::take_output`] would give any.
    fn has_output(&self) -> bool;
    /// Bytes to send.
    fn take_output(&mut self) -> Bytes;
}

impl Speaker for ServerSession {
    fn has_output(&self) -> bool {
        ServerSession::has_output(self)
    }

    fn take_output(&mut self) -> Bytes {
        ServerSession::take_output(self)
    }
}

impl Speaker for ClientSession {
    fn has_output(&self) -> bool {
        ClientSession::has_output(self)
    }

    fn take_output(&mut self) -> Bytes {
        ClientSession::take_output(self)
    }
}

/// A connection that is mostly read.
pub struct Exchange {
    connection: Connection,
    /// Bytes of the session that the socket has not taken yet: at most one batch, so a peer that does not read costs
    /// nothing.
    pending: Bytes,
}

impl Exchange {
    /// Nothing is pending yet.
    pub fn new(connection: Connection) -> Self {
        Self { connection, pending: Bytes::new() }
    }

    /// Reads some bytes, 0 at the end; writes meanwhile. May be dropped and called again without loss.
    pub async fn read(&mut self, speaker: &mut impl Speaker, buffer: &mut [u8]) -> io::Result<usize> {
        std::future::poll_fn(|context| self.poll(speaker, context, buffer)).await
    }

    fn poll(
        &mut self,
        speaker: &mut impl Speaker,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.pending.is_empty() {
                if !speaker.has_output() {
                    break;
                }
                self.pending = speaker.take_output();
            }
            match Pin::new(&mut self.connection).poll_write(context, &self.pending) {
                Poll::Ready(Ok(written)) => self.pending.advance(written),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        if let Poll::Ready(Err(error)) = Pin::new(&mut self.connection).poll_flush(context) {
            return Poll::Ready(Err(error));
        }
        let mut read = ReadBuf::new(buffer);
        Pin::new(&mut self.connection).poll_read(context, &mut read).map_ok(|()| read.filled().len())
    }

    /// Sends what is left to say, and closes; a peer that takes too long is left as it is.
    pub async fn part(mut self, speaker: &mut impl Speaker, within: Duration) {
        let words = async {
            while !self.pending.is_empty() || speaker.has_output() {
                if self.pending.is_empty() {
                    self.pending = speaker.take_output();
                }
                self.connection.write_all_buf(&mut self.pending).await?;
            }
            self.connection.shutdown().await
        };
        // Whether the peer has heard it or not, it is over.
        let _ = tokio::time::timeout(within, words).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::io::AsyncReadExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn pair() -> (Exchange, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (Exchange::new(Connection::Plain(client)), listener.accept().await.unwrap().0)
    }

    /// Has so many more bytes to say.
    struct Talker(usize);

    impl Speaker for Talker {
        fn has_output(&self) -> bool {
            self.0 > 0
        }

        fn take_output(&mut self) -> Bytes {
            let bytes = self.0.min(64 << 10);
            self.0 -= bytes;
            Bytes::from(vec![7; bytes])
        }
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_read_all_the_same() {
        let (mut ours, mut theirs) = pair().await;
        // More than any kernel takes for a peer that does not read.
        let mut endless = Talker(1 << 40);
        let mut buffer = [0; 1024];
        for round in 0..50 {
            theirs.write_all(&[round; 100]).await.unwrap();
            let mut read = 0;
            while read < 100 {
                read += ours.read(&mut endless, &mut buffer).await.unwrap();
            }
        }
        assert!(endless.0 > (1 << 40) - (64 << 20), "the kernel took all of it");
    }

    #[tokio::test]
    async fn the_last_words_arrive_unless_nobody_reads_them() {
        let (ours, mut theirs) = pair().await;
        ours.part(&mut Talker(100_000), Duration::from_secs(60)).await;
        let mut heard = Vec::new();
        theirs.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard.len(), 100_000);
        let (ours, _theirs) = pair().await;
        ours.part(&mut Talker(1 << 40), Duration::from_millis(20)).await;
    }
}
