//! The plain handshake of either role (Adobe RTMP 1.0 §5.2).
use bytes::{Buf, Bytes, BytesMut};

use crate::error::{Error, ErrorKind, Result};

const PACKET: usize = 1536;

pub(super) struct Greeting {
    server: bool,
    own: [u8; PACKET],
    input: BytesMut,
    output: BytesMut,
    answered: bool,
}

impl Greeting {
    pub(super) fn new(server: bool, random: &[u8; 1528]) -> Self {
        let mut own = [0; PACKET];
        if let Some(tail) = own.get_mut(8..) {
            tail.copy_from_slice(random);
        }
        let mut greeting = Greeting { server, own, input: BytesMut::new(), output: BytesMut::new(), answered: false };
        if !server {
            greeting.hello();
        }
        greeting
    }

    fn hello(&mut self) {
        self.output.extend_from_slice(&[3]);
        self.output.extend_from_slice(&self.own);
    }

    pub(super) fn read(&mut self, input: &mut &[u8]) -> Result<bool> {
        let goal = match (self.server, self.answered) {
            (true, false) => 1 + PACKET,
            (true, true) => PACKET,
            (false, _) => 1 + 2 * PACKET,
        };
        let take = (goal - self.input.len()).min(input.len());
        self.input.extend_from_slice(input.get(..take).unwrap_or_default());
        *input = input.get(take..).unwrap_or_default();
        if let (Some(&version), false) = (self.input.first(), self.answered)
            && version != 3
        {
            return Err(Error::at(ErrorKind::NotRtmp(version), 0));
        }
        if self.input.len() < goal {
            return Ok(false);
        }
        if !self.answered {
            self.input.advance(1);
            if self.server {
                self.hello();
            }
            let theirs = self.input.split_to(PACKET);
            self.output.extend_from_slice(&theirs);
            self.answered = true;
            self.input.clear();
            return if self.server { self.read(input) } else { Ok(true) };
        }
        Ok(true)
    }

    pub(super) fn take_output(&mut self) -> Bytes {
        self.output.split().freeze()
    }
}
