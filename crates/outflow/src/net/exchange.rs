//! Reading from a peer that sends media, while what the session has to say is written as far as the socket takes it: a
//! peer that does not read must not keep us from reading.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use outflow_rtmp::session::{ClientSession, ServerSession};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::connection::Connection;

/// What one connection may take of the time of all before others have their turn.
const TURN: Duration = Duration::from_millis(2);

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

/// How long the oldest message under way has taken: bytes may come again and again, and others between, and never its end.
#[derive(Debug, Default)]
pub struct Underway {
    /// Its number, and when its first bytes came.
    oldest: Option<(u64, Instant)>,
}

impl Underway {
    /// Bytes came; by now this message is the oldest that is not whole.
    pub fn note(&mut self, oldest: Option<u64>, now: Instant) {
        let known = self.oldest.filter(|(number, _)| Some(*number) == oldest);
        self.oldest = known.or_else(|| oldest.map(|number| (number, now)));
    }

    /// True if it has taken so long.
    pub fn has_lasted(&self, limit: Duration, now: Instant) -> bool {
        self.oldest.is_some_and(|(_, begun)| now.saturating_duration_since(begun) >= limit)
    }
}

/// How much work a connection may cause before all others have their turn. A runtime counts what was read and not how long it
/// took to understand it: a peer that sends without a pause would have megabytes looked at in one go.
#[derive(Debug, Default)]
pub struct Turn(Duration);

impl Turn {
    /// What was begun then is done; waits for the others where it has been enough.
    pub async fn over(&mut self, begun: Instant) {
        self.0 += begun.elapsed();
        if self.0 >= TURN {
            self.0 = Duration::ZERO;
            tokio::task::yield_now().await;
        }
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

    /// The same in the runtime that this is called in: see [`Connection::adopt`].
    pub fn adopt(self) -> io::Result<Self> {
        Ok(Self { connection: self.connection.adopt()?, ..self })
    }

    /// What it reads from.
    pub fn connection(&self) -> &Connection {
        &self.connection
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

    /// The same with a peer that sends and sends: what still comes is thrown away until it closes. With a close of ours its
    /// kernel would throw away what we have said.
    pub async fn part_and_drain(mut self, speaker: &mut impl Speaker, within: Duration) {
        let words = async {
            let mut buffer = vec![0; 64 * 1024];
            while !self.pending.is_empty() || speaker.has_output() {
                if self.read(speaker, &mut buffer).await? == 0 {
                    return Ok(());
                }
            }
            self.connection.shutdown().await?;
            while self.connection.read(&mut buffer).await? > 0 {}
            io::Result::Ok(())
        };
        let _ = tokio::time::timeout(within, words).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
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

    #[test]
    fn a_message_is_under_way_from_its_first_bytes_to_its_last() {
        let (begin, limit) = (Instant::now(), Duration::from_secs(60));
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut underway = Underway::default();
        // A pause between messages is none.
        underway.note(None, at(0));
        assert!(!underway.has_lasted(limit, at(1000)));
        underway.note(Some(1), at(1000));
        assert!(!underway.has_lasted(limit, at(1059)));
        // Others that come whole meanwhile are no excuse.
        underway.note(Some(1), at(1059));
        assert!(underway.has_lasted(limit, at(1060)));
        underway.note(Some(3), at(1060));
        assert!(!underway.has_lasted(limit, at(1119)) && underway.has_lasted(limit, at(1120)));
        underway.note(None, at(1120));
        assert!(!underway.has_lasted(limit, at(5000)));
    }

    #[tokio::test]
    async fn one_that_floods_hears_why_it_is_let_go() {
        let (mut ours, theirs) = pair().await;
        let (mut read, mut write) = theirs.into_split();
        let flood = tokio::spawn(async move { while write.write_all(&[0; 65536]).await.is_ok() {} });
        let mut buffer = [0; 1024];
        assert!(ours.read(&mut Talker(0), &mut buffer).await.unwrap() > 0);
        let parting = tokio::spawn(async move { ours.part_and_drain(&mut Talker(100), Duration::from_secs(60)).await });
        let mut heard = Vec::new();
        read.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, [7; 100]);
        flood.abort();
        parting.await.unwrap();
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
