//! Aggregate messages: FLV-like tags that share one message (Adobe RTMP 1.0 §7.1.6).
use bytes::Buf;

use super::{Message, kind};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;

/// Bytes of a tag's header: type, length, time with its high byte last, stream id.
const HEADER: usize = 11;
/// Bytes of the back pointer after each tag.
const BACK_POINTER: usize = 4;

/// The messages in an aggregate (Adobe RTMP 1.0 §7.1.6), one by one and without copying; ends after the first error.
///
/// Each has the aggregate's chunk stream and message stream; times are moved so that the first equals the
/// aggregate's. Only audio, video and data are given out; a nested aggregate is an error.
#[derive(Clone, Debug)]
pub struct Aggregate {
    rest: Message,
    /// Aggregate time minus the first tag's time.
    offset: Option<u32>,
    /// How many more parts it may have.
    left: u32,
}

impl Aggregate {
    /// `message` is one of type [`kind::AGGREGATE`].
    pub fn new(message: Message, limits: &Limits) -> Self {
        Aggregate { rest: message, offset: None, left: limits.aggregate_parts }
    }

    fn tag(&mut self) -> Result<Message> {
        let rest = &mut self.rest.payload;
        let size = rest.len();
        let [sub_kind, a, b, c, t1, t2, t3, t0, _, _, _, ..] = rest[..] else {
            return Err(broken("it ends within a part's header"));
        };
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        if length > size - HEADER {
            return Err(broken("a part is longer than what is left"));
        }
        if sub_kind == kind::AGGREGATE {
            return Err(broken("it holds another aggregate"));
        }
        let Some(left) = self.left.checked_sub(1) else {
            return Err(broken("it has more parts than the limit"));
        };
        self.left = left;
        rest.advance(HEADER);
        let payload = rest.split_to(length);
        // The last back pointer is left out by some; nothing needs it.
        rest.advance(BACK_POINTER.min(rest.len()));
        let time = u32::from_be_bytes([t0, t1, t2, t3]);
        let offset = *self.offset.get_or_insert(self.rest.timestamp.wrapping_sub(time));
        Ok(Message { kind: sub_kind, timestamp: time.wrapping_add(offset), payload, ..self.rest })
    }
}

fn broken(why: &'static str) -> Error {
    Error::from(ErrorKind::BadAggregate(why)).in_message(kind::AGGREGATE)
}

impl Iterator for Aggregate {
    type Item = Result<Message>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.payload.is_empty() {
            match self.tag() {
                Ok(message) if message.is_media() => return Some(Ok(message)),
                Ok(_) => {}
                Err(error) => {
                    self.rest.payload.clear();
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use bytes::Bytes;

    fn tag(kind: u8, time: u32, body: &[u8]) -> Vec<u8> {
        let [t0, t1, t2, t3] = time.to_be_bytes();
        let [_, a, b, c] = (body.len() as u32).to_be_bytes();
        let mut tag = vec![kind, a, b, c, t1, t2, t3, t0, 0, 0, 9];
        tag.extend_from_slice(body);
        tag.extend_from_slice(&(11 + body.len() as u32).to_be_bytes());
        tag
    }

    fn split(timestamp: u32, payload: Vec<u8>) -> Result<Vec<(u8, u32, Vec<u8>)>> {
        let message =
            Message { csid: 4, kind: kind::AGGREGATE, stream_id: 1, timestamp, payload: Bytes::from(payload) };
        Aggregate::new(message, &Limits::default())
            .map(|sub| {
                let sub = sub?;
                assert_eq!((sub.csid, sub.stream_id), (4, 1));
                Ok((sub.kind, sub.timestamp, sub.payload.to_vec()))
            })
            .collect()
    }

    #[test]
    fn times_are_rebased_and_other_types_left_out() {
        let mut payload = tag(8, 0x0100_0000, b"a");
        payload.extend(tag(1, 0x0100_0001, &[0, 0, 0, 0]));
        payload.extend(tag(9, 0x0100_0005, b""));
        payload.extend(tag(18, 0x0100_0003, b"meta"));
        payload.truncate(payload.len() - 4);
        let expected = vec![(8, 500, b"a".to_vec()), (9, 505, vec![]), (18, 503, b"meta".to_vec())];
        assert_eq!(split(500, payload).unwrap(), expected);
    }

    #[test]
    fn lengths_past_the_end_and_nesting_are_refused() {
        let whole = tag(8, 0, b"abc");
        for length in 1..whole.len() - 4 {
            assert!(split(0, whole[..length].to_vec()).is_err(), "{length} bytes");
        }
        for length in whole.len() - 4..=whole.len() {
            assert_eq!(split(0, whole[..length].to_vec()).unwrap().len(), 1, "{length} bytes");
        }
        assert!(split(0, tag(22, 0, &tag(8, 0, b"x"))).is_err());
        assert!(split(0, vec![]).unwrap().is_empty());
        assert!(split(0, tag(8, 0, b"").repeat(10_000)).is_ok());
        assert!(split(0, tag(8, 0, b"").repeat(10_001)).is_err());
    }
}
