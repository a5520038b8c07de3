//! Protocol control and user control messages (Adobe RTMP 1.0 §5.4, §6.2).
use super::{Message, kind};
use crate::error::{Error, ErrorKind, Result};

/// A message about the connection itself, not about a stream's content (Adobe RTMP 1.0 §5.4, §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// The sender's chunks are at most this long from now on, 1 to 0xFFFFFF (§5.4.1).
    SetChunkSize(u32),
    /// The partial message of this chunk stream is void (§5.4.2).
    Abort(u32),
    /// Bytes received so far, modulo 2^32 (§5.4.3).
    Ack(u32),
    /// The receiver is to acknowledge at least once per so many bytes (§5.4.4); 0 means never.
    WindowAckSize(u32),
    /// The sender wishes to limit what is unacknowledged (§5.4.5).
    SetPeerBandwidth {
        /// Bytes.
        size: u32,
        /// 0 hard, 1 soft, 2 dynamic; other values are ignored.
        limit: u8,
    },
    /// A user control event (§6.2).
    User(UserControl),
}

/// The events of a user control message (Adobe RTMP 1.0 §7.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserControl {
    /// The message stream is usable.
    StreamBegin(u32),
    /// Playback of the message stream is over.
    StreamEof(u32),
    /// Nothing more for now.
    StreamDry(u32),
    /// A player's buffer.
    SetBufferLength {
        /// Message stream.
        stream_id: u32,
        /// Buffer in milliseconds.
        milliseconds: u32,
    },
    /// The stream is recorded, not live.
    StreamIsRecorded(u32),
    /// Asks for a [`UserControl::PingResponse`] with the same number.
    PingRequest(u32),
    /// Answers a ping.
    PingResponse(u32),
    /// Anything else, or an event that is cut short; ignored.
    Unknown(u16),
}

impl Control {
    /// Reads a control message; `None` if `message` is of another type.
    ///
    /// The chunk stream and message stream it came on are not looked at: some peers use the wrong ones.
    pub fn decode(message: &Message) -> Result<Option<Control>> {
        let payload = &message.payload[..];
        let number = || match payload {
            [a, b, c, d, ..] => Ok(u32::from_be_bytes([*a, *b, *c, *d])),
            _ => Err(too_short(payload.len()).in_message(message.kind).on_csid(message.csid)),
        };
        Ok(Some(match message.kind {
            kind::SET_CHUNK_SIZE => Control::SetChunkSize(chunk_size(number()?)?),
            kind::ABORT => Control::Abort(number()?),
            kind::ACK => Control::Ack(number()?),
            kind::WINDOW_ACK_SIZE => Control::WindowAckSize(number()?),
            // The limit type is left out by some peers.
            kind::SET_PEER_BANDWIDTH => {
                Control::SetPeerBandwidth { size: number()?, limit: payload.get(4).copied().unwrap_or(2) }
            }
            kind::USER_CONTROL => Control::User(UserControl::decode(payload)),
            _ => return Ok(None),
        }))
    }

    /// The message type id and the payload.
    pub fn encode(&self) -> (u8, Vec<u8>) {
        match *self {
            Control::SetChunkSize(size) => (kind::SET_CHUNK_SIZE, size.to_be_bytes().to_vec()),
            Control::Abort(csid) => (kind::ABORT, csid.to_be_bytes().to_vec()),
            Control::Ack(sequence) => (kind::ACK, sequence.to_be_bytes().to_vec()),
            Control::WindowAckSize(size) => (kind::WINDOW_ACK_SIZE, size.to_be_bytes().to_vec()),
            Control::SetPeerBandwidth { size, limit } => {
                let mut payload = size.to_be_bytes().to_vec();
                payload.push(limit);
                (kind::SET_PEER_BANDWIDTH, payload)
            }
            Control::User(event) => (kind::USER_CONTROL, event.encode()),
        }
    }
}

fn too_short(got: usize) -> Error {
    Error::from(ErrorKind::MessageTooShort { what: "a control message", need: 4, got })
}

/// §5.4.1: the first bit is zero; sizes above the largest message are all the same.
fn chunk_size(size: u32) -> Result<u32> {
    match size {
        0 | 0x8000_0000.. => Err(Error::from(ErrorKind::BadChunkSize(size)).in_message(kind::SET_CHUNK_SIZE)),
        _ => Ok(size.min(0xFF_FFFF)),
    }
}

impl UserControl {
    fn decode(payload: &[u8]) -> UserControl {
        let [high, low, rest @ ..] = payload else { return UserControl::Unknown(u16::MAX) };
        let event = u16::from_be_bytes([*high, *low]);
        let (first, rest) = match rest {
            [a, b, c, d, rest @ ..] => (u32::from_be_bytes([*a, *b, *c, *d]), rest),
            _ => return UserControl::Unknown(event),
        };
        match (event, rest) {
            (0, _) => UserControl::StreamBegin(first),
            (1, _) => UserControl::StreamEof(first),
            (2, _) => UserControl::StreamDry(first),
            (3, [a, b, c, d, ..]) => {
                UserControl::SetBufferLength { stream_id: first, milliseconds: u32::from_be_bytes([*a, *b, *c, *d]) }
            }
            (4, _) => UserControl::StreamIsRecorded(first),
            (6, _) => UserControl::PingRequest(first),
            (7, _) => UserControl::PingResponse(first),
            _ => UserControl::Unknown(event),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let (event, numbers): (u16, &[u32]) = match self {
            UserControl::StreamBegin(id) => (0, &[*id]),
            UserControl::StreamEof(id) => (1, &[*id]),
            UserControl::StreamDry(id) => (2, &[*id]),
            UserControl::SetBufferLength { stream_id, milliseconds } => (3, &[*stream_id, *milliseconds]),
            UserControl::StreamIsRecorded(id) => (4, &[*id]),
            UserControl::PingRequest(number) => (6, &[*number]),
            UserControl::PingResponse(number) => (7, &[*number]),
            UserControl::Unknown(event) => (*event, &[]),
        };
        let mut payload = event.to_be_bytes().to_vec();
        numbers.iter().for_each(|number| payload.extend_from_slice(&number.to_be_bytes()));
        payload
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use bytes::Bytes;

    fn message(kind: u8, payload: Vec<u8>) -> Message {
        Message { csid: 2, kind, stream_id: 0, timestamp: 0, payload: Bytes::from(payload) }
    }

    #[test]
    fn every_control_message_survives_the_round_trip() {
        let all = [
            Control::SetChunkSize(4096),
            Control::Abort(7),
            Control::Ack(0xFFFF_FFFF),
            Control::WindowAckSize(2_500_000),
            Control::SetPeerBandwidth { size: 5_000_000, limit: 1 },
            Control::User(UserControl::StreamBegin(1)),
            Control::User(UserControl::StreamEof(2)),
            Control::User(UserControl::StreamDry(3)),
            Control::User(UserControl::SetBufferLength { stream_id: 1, milliseconds: 3000 }),
            Control::User(UserControl::StreamIsRecorded(1)),
            Control::User(UserControl::PingRequest(77)),
            Control::User(UserControl::PingResponse(77)),
            Control::User(UserControl::Unknown(31)),
        ];
        for control in all {
            let (kind, payload) = control.encode();
            assert_eq!(Control::decode(&message(kind, payload)).unwrap(), Some(control));
        }
        assert_eq!(Control::decode(&message(kind::AUDIO, vec![1])).unwrap(), None);
    }

    #[test]
    fn chunk_sizes_outside_the_specification() {
        let decode = |size: u32| Control::decode(&message(kind::SET_CHUNK_SIZE, size.to_be_bytes().to_vec()));
        assert!(decode(0).is_err());
        assert!(decode(0x8000_0001).is_err());
        assert_eq!(decode(1).unwrap(), Some(Control::SetChunkSize(1)));
        assert_eq!(decode(0x7FFF_FFFF).unwrap(), Some(Control::SetChunkSize(0xFF_FFFF)));
    }

    #[test]
    fn cut_short_at_every_byte() {
        for kind in [1, 2, 3, 5, 6] {
            for length in 0..4 {
                assert!(Control::decode(&message(kind, vec![1; length])).is_err(), "kind {kind}, {length} bytes");
            }
        }
        // An event that cannot be understood never ends a connection.
        for length in 0..12 {
            let mut payload = vec![0, 3, 0, 0, 0, 1, 0, 0, 0, 9, 9, 9];
            payload.truncate(length);
            let decoded = Control::decode(&message(kind::USER_CONTROL, payload)).unwrap();
            let whole = Control::User(UserControl::SetBufferLength { stream_id: 1, milliseconds: 9 });
            assert_eq!(decoded == Some(whole), length >= 10, "{length} bytes");
        }
        assert_eq!(
            Control::decode(&message(kind::SET_PEER_BANDWIDTH, vec![0, 0, 0, 9])).unwrap(),
            Some(Control::SetPeerBandwidth { size: 9, limit: 2 })
        );
    }
}
