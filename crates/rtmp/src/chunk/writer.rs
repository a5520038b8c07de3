//! Messages to chunks, as pure functions, so that one encoded message can serve many connections.
//!
//! Only what every peer reads is written: chunk streams 2 to 31 (one-byte basic headers), whole messages, type 0 or
//! type 1 at a message's start, type 3 only to continue one.
use bytes::{BufMut, BytesMut};

use super::{EXTENDED, MAX_MESSAGE_LENGTH, csid as ids};
use crate::error::{Error, ErrorKind, Result};

/// Type 0: absolute time, length, type and message stream (§5.3.1.2.1).
const FULL: u8 = 0 << 6;
/// Type 1: time delta, length and type (§5.3.1.2.2).
const DELTA: u8 = 1 << 6;
/// Type 3: nothing; used for the chunks after a message's first (§5.3.1.2.4).
const CONTINUE: u8 = 3 << 6;

/// Appends one message with a type 0 header: it depends on nothing sent before.
///
/// `timestamp` is in milliseconds modulo 2^32. From 0xFFFFFF on it is written as an extended timestamp, repeated in
/// each continuation chunk (§5.3.1.3): such a message cannot be re-headed, only encoded anew.
///
/// Fails, and appends nothing, if `csid` is not in 2..=31, `chunk_size` is 0, or the payload exceeds 0xFFFFFF bytes.
pub fn encode_full(
    out: &mut BytesMut,
    csid: u32,
    kind: u8,
    stream_id: u32,
    timestamp: u32,
    payload: &[u8],
    chunk_size: u32,
) -> Result<()> {
    encode_full_with_prefix(out, csid, kind, stream_id, timestamp, &[], payload, chunk_size)
}

/// Like [`encode_full`] for a message whose payload is `prefix` followed by `payload`, such as the `@setDataFrame`
/// string in front of metadata.
#[allow(clippy::too_many_arguments)] // the fields of a chunk header; a struct would only rename them
pub fn encode_full_with_prefix(
    out: &mut BytesMut,
    csid: u32,
    kind: u8,
    stream_id: u32,
    timestamp: u32,
    prefix: &[u8],
    payload: &[u8],
    chunk_size: u32,
) -> Result<()> {
    let length = check(csid, prefix, payload, chunk_size)?;
    let extended = timestamp >= EXTENDED;
    reserve(out, length, chunk_size);
    out.put_u8(FULL | csid as u8);
    out.put_uint(u64::from(timestamp.min(EXTENDED)), 3);
    out.put_uint(length as u64, 3);
    out.put_u8(kind);
    out.put_u32_le(stream_id);
    if extended {
        out.put_u32(timestamp);
    }
    body(out, csid, extended.then_some(timestamp), prefix, payload, chunk_size);
    Ok(())
}

/// Appends one message with a type 1 header: its time is `delta` milliseconds after the previous message of the same
/// chunk stream, and its message stream is that one's.
///
/// The bytes depend on neither the absolute time nor the message stream, so they are the same for every connection
/// that has had the same previous message on `csid`.
///
/// Fails, and appends nothing, in the cases of [`encode_full`] and if `delta` is 0xFFFFFF or more: extended deltas are
/// misread by some peers, so the caller sends such a message (and any step back in time) with [`encode_full`].
pub fn encode_delta(
    out: &mut BytesMut,
    csid: u32,
    kind: u8,
    delta: u32,
    payload: &[u8],
    chunk_size: u32,
) -> Result<()> {
    encode_delta_with_prefix(out, csid, kind, delta, &[], payload, chunk_size)
}

/// Bytes of the header that [`encode_delta`] writes.
pub const DELTA_HEADER: usize = 8;

/// The type 0 header that may take the place of the first [`DELTA_HEADER`] bytes of a message encoded by [`encode_delta`]:
/// one copy of a long payload serves those who need the whole header too. `length` is that of the payload.
///
/// `None` from the timestamp 0xFFFFFF on, which must stand in every chunk (§5.3.1.3), and where no message can be.
pub fn full_header(csid: u32, kind: u8, stream_id: u32, timestamp: u32, length: usize) -> Option<[u8; 12]> {
    if timestamp >= EXTENDED || length > MAX_MESSAGE_LENGTH || !(ids::CONTROL..=ids::LAST).contains(&csid) {
        return None;
    }
    let ([_, t @ ..], [_, l @ ..]) = (timestamp.to_be_bytes(), (length as u32).to_be_bytes());
    let [i, j, k, m] = stream_id.to_le_bytes();
    Some([FULL | csid as u8, t[0], t[1], t[2], l[0], l[1], l[2], kind, i, j, k, m])
}

/// Like [`encode_delta`] for a message whose payload is `prefix` followed by `payload`.
pub fn encode_delta_with_prefix(
    out: &mut BytesMut,
    csid: u32,
    kind: u8,
    delta: u32,
    prefix: &[u8],
    payload: &[u8],
    chunk_size: u32,
) -> Result<()> {
    let length = check(csid, prefix, payload, chunk_size)?;
    if delta >= EXTENDED {
        return Err(unsendable("its time step needs a type 0 header"));
    }
    reserve(out, length, chunk_size);
    out.put_u8(DELTA | csid as u8);
    out.put_uint(u64::from(delta), 3);
    out.put_uint(length as u64, 3);
    out.put_u8(kind);
    body(out, csid, None, prefix, payload, chunk_size);
    Ok(())
}

fn check(csid: u32, prefix: &[u8], payload: &[u8], chunk_size: u32) -> Result<usize> {
    if !(ids::CONTROL..=ids::LAST).contains(&csid) {
        return Err(unsendable("its chunk stream is not in 2..=31"));
    }
    if chunk_size == 0 {
        return Err(unsendable("the chunk size is 0"));
    }
    let length = prefix.len().saturating_add(payload.len());
    if length > MAX_MESSAGE_LENGTH {
        return Err(unsendable("it is longer than 16777215 bytes"));
    }
    Ok(length)
}

fn unsendable(why: &'static str) -> Error {
    Error::from(ErrorKind::Unsendable(why))
}

/// One allocation for the whole message at most.
fn reserve(out: &mut BytesMut, length: usize, chunk_size: u32) {
    let continuations = length / chunk_size as usize;
    out.reserve(16 + length + continuations * 5);
}

fn body(out: &mut BytesMut, csid: u32, extended: Option<u32>, prefix: &[u8], payload: &[u8], chunk_size: u32) {
    let mut room = chunk_size as usize;
    for mut part in [prefix, payload] {
        while !part.is_empty() {
            if room == 0 {
                out.put_u8(CONTINUE | csid as u8);
                if let Some(time) = extended {
                    out.put_u32(time);
                }
                room = chunk_size as usize;
            }
            let (now, later) = part.split_at(part.len().min(room));
            out.put_slice(now);
            room -= now.len();
            part = later;
        }
    }
}
