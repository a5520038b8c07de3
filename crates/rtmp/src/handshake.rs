//! The handshake of both roles, as plain echo (Adobe RTMP 1.0 §5.2) and with digests, which Flash Player introduced and
//! FFmpeg, mpv and VLC check. The digest form is in no specification; the places and keys are the same in every peer.
//!
//! ```
//! use outflow_rtmp::handshake::{ClientHandshake, ServerHandshake};
//!
//! let (mut client, mut server) = (ClientHandshake::new(&[1; 1528]), ServerHandshake::new(&[2; 1528]));
//! let c0_c1 = client.take_output();
//! assert!(!server.read(&mut &c0_c1[..])?);
//! let s0_s1_s2 = server.take_output();
//! assert!(client.read(&mut &s0_s1_s2[..])?);
//! let c2_and_more = [&client.take_output()[..], b"chunks"].concat();
//! let mut input = &c2_and_more[..];
//! assert!(server.read(&mut input)?);
//! assert_eq!(input, b"chunks");
//! # Ok::<(), outflow_rtmp::Error>(())
//! ```
mod digest;
#[cfg(test)]
mod tests;

use crate::error::{Error, ErrorKind, Result};
use bytes::{Bytes, BytesMut};
use digest::{Packet, Schema, Side};

/// Bytes of C1, C2, S1 and S2 each.
const PACKET: usize = 1536;
/// The only protocol version in use (§5.2.2).
const VERSION: u8 = 3;
/// Version in S1 with a digest: from 3 on, FFmpeg and Flash check the digest.
const SERVER_VERSION: [u8; 4] = [4, 5, 0, 1];
/// Version in C1 with a digest: Flash Player 9.0.124.2, as FFmpeg says.
const CLIENT_VERSION: [u8; 4] = [9, 0, 124, 2];

/// The server's side (Adobe RTMP 1.0 §5.2): waits for C0 and C1, answers with S0, S1 and S2 at once, and waits for C2.
///
/// A C1 with a valid digest is answered with digests in the same schema, any other with an echo and version 0.
#[derive(Debug)]
pub struct ServerHandshake {
    random: [u8; 1528],
    input: Input,
    output: BytesMut,
    answered: bool,
}

impl ServerHandshake {
    /// A handshake that fills S1 with `random`; a new value for each connection.
    pub fn new(random: &[u8; 1528]) -> Self {
        Self { random: *random, input: Input::default(), output: BytesMut::new(), answered: false }
    }

    /// Reads from the front of `input`, in any pieces. True when C2 is in: what is left in `input` are chunks.
    ///
    /// An error is final; [`ErrorKind::Http`], [`ErrorKind::Tls`], [`ErrorKind::Rtmpe`] and [`ErrorKind::NotRtmp`] come
    /// with the first byte.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<bool> {
        if !self.answered {
            self.input.fill(input, 1 + PACKET);
            self.input.check_version()?;
            let Some(c1) = self.input.packet(1) else { return Ok(false) };
            self.output.extend_from_slice(&[VERSION]);
            answer(c1, &self.random, &mut self.output);
            self.answered = true;
            self.input = Input::default();
        }
        // What C2 says does not matter: not every client echoes, and nothing depends on it.
        self.input.fill(input, PACKET);
        Ok(self.input.packet(0).is_some())
    }

    /// Takes the bytes to send.
    pub fn take_output(&mut self) -> Bytes {
        self.output.split().freeze()
    }
}

/// Appends S1 and S2.
fn answer(c1: &Packet, random: &[u8; 1528], out: &mut BytesMut) {
    match digest::find(c1, Side::Client) {
        Some((schema, client_digest)) => {
            let mut s1 = hello(SERVER_VERSION, random);
            digest::sign(&mut s1, schema, Side::Server);
            out.extend_from_slice(&s1);
            out.extend_from_slice(&digest::response(c1, &client_digest, Side::Server));
        }
        None => {
            out.extend_from_slice(&hello([0; 4], random));
            out.extend_from_slice(c1);
        }
    }
}

/// The client's side (Adobe RTMP 1.0 §5.2): sends C0 and C1, waits for S0, S1 and S2, and sends C2. It does not ask that S2 echoes C1.
#[derive(Debug)]
pub struct ClientHandshake {
    input: Input,
    output: BytesMut,
    digest: bool,
    done: bool,
}

impl ClientHandshake {
    /// The plain handshake, which every server takes. `random` fills C1; a new value for each connection.
    pub fn new(random: &[u8; 1528]) -> Self {
        Self::start(hello([0; 4], random), false)
    }

    /// The handshake with digests, for servers that refuse to send H.264 to clients without.
    pub fn with_digest(random: &[u8; 1528]) -> Self {
        let mut c1 = hello(CLIENT_VERSION, random);
        digest::sign(&mut c1, Schema::First, Side::Client);
        Self::start(c1, true)
    }

    fn start(c1: Packet, digest: bool) -> Self {
        let mut output = BytesMut::with_capacity(1 + PACKET);
        output.extend_from_slice(&[VERSION]);
        output.extend_from_slice(&c1);
        Self { input: Input::default(), output, digest, done: false }
    }

    /// Reads from the front of `input`, in any pieces. True when S2 is in: what is left in `input` are chunks, and C2 is
    /// ready to be sent before any of ours. An error is final.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<bool> {
        if self.done {
            return Ok(true);
        }
        self.input.fill(input, 1 + 2 * PACKET);
        self.input.check_version()?;
        if let (Some(s1), Some(_)) = (self.input.packet(1), self.input.packet(1 + PACKET)) {
            let signed = if self.digest { digest::find(s1, Side::Server) } else { None };
            let c2 = signed.map_or(*s1, |(_, server_digest)| digest::response(s1, &server_digest, Side::Client));
            self.output.extend_from_slice(&c2);
            self.done = true;
        }
        Ok(self.done)
    }

    /// Takes the bytes to send; C0 and C1 are there from the start.
    pub fn take_output(&mut self) -> Bytes {
        self.output.split().freeze()
    }
}

/// C1 or S1: a time of 0, a version (zero in the plain form), random bytes (§5.2.3).
fn hello(version: [u8; 4], random: &[u8; 1528]) -> Packet {
    let mut packet = [0; PACKET];
    let (head, tail) = packet.split_at_mut(8);
    head[4..].copy_from_slice(&version);
    tail.copy_from_slice(random);
    packet
}

/// The bytes of the peer that are in.
#[derive(Debug, Default)]
struct Input(Vec<u8>);

impl Input {
    /// Takes from the front of `input` until there are `goal` bytes.
    fn fill(&mut self, input: &mut &[u8], goal: usize) {
        let (taken, rest) = input.split_at(goal.saturating_sub(self.0.len()).min(input.len()));
        self.0.extend_from_slice(taken);
        *input = rest;
    }

    /// The packet that begins at `start`.
    fn packet(&self, start: usize) -> Option<&Packet> {
        self.0.get(start..)?.first_chunk()
    }

    fn check_version(&self) -> Result<()> {
        let kind = match self.0.first() {
            None | Some(&VERSION) => return Ok(()),
            Some(&version @ (6 | 8)) => ErrorKind::Rtmpe(version),
            // "GET ", "POST ", "HTTP/1.1" ...
            Some(b'A'..=b'Z') => ErrorKind::Http,
            Some(0x15 | 0x16) => ErrorKind::Tls,
            Some(&other) => ErrorKind::NotRtmp(other),
        };
        Err(Error::at(kind, 0))
    }
}
