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
