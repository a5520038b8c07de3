//! A peer's messages as bytes: from a plan, in chunks of any size, some of them begun in different ways, interleaved or
//! damaged.
use bytes::{BufMut, Bytes, BytesMut};
use outflow_rtmp::amf0;
use outflow_rtmp::chunk::{encode_delta, encode_full};
use outflow_rtmp::command::Command;
use outflow_rtmp::message::kind;

use super::script;
use crate::dice::Dice;

/// Makes commands: how many were made before, and the message stream and command to send.
type Call = fn(&mut Dice<'_>, usize) -> (u32, Command);

/// Messages until the plan is at its end.
pub(super) fn write(dice: &mut Dice<'_>, call: Call) -> BytesMut {
    let (mut out, mut chunk_size, mut calls) = (BytesMut::new(), 128, 0);
    while !dice.is_empty() {
        let csid = 2 + u32::from(dice.byte() % 30);
        let (kind, stream, payload) = match dice.below(16) {
            0..7 => {
                let (stream, command) = call(dice, calls);
                calls += 1;
                let amf3 = dice.one_in(6);
                let payload = if amf3 { [&[0], &command.encode()[..]].concat().into() } else { command.encode() };
                (if amf3 { kind::COMMAND_AMF3 } else { kind::COMMAND }, stream, payload)
            }
            7 => (kind::AUDIO, dice.pick(&[0, 1, 2]), dice.bytes().into()),
            8 | 9 => (kind::VIDEO, dice.pick(&[0, 1, 2]), dice.bytes().into()),
            10 => {
                let mut data = BytesMut::new();
                (0..1 + dice.below(3)).for_each(|_| amf0::encode(&script::value(dice, 3), &mut data));
                (dice.pick(&[kind::DATA, kind::DATA_AMF3]), 1, data.freeze())
            }
            11 => (kind::AGGREGATE, 1, aggregate(dice)),
            12 | 13 => {
                let kind = dice.pick(&[1, 2, 3, 4, 5, 6]);
                let mut body = BytesMut::new();
                if kind == kind::USER_CONTROL {
                    body.put_u16(dice.pick(&[0, 1, 2, 3, 4, 6, 7, 31, 32]));
                }
                let number = dice.number();
                body.put_u32(number);
                body.put_slice(dice.pick(&[&[][..], &[2], &[0, 0, 11, 184]]));
                if kind == kind::SET_CHUNK_SIZE {
                    // Most of these are obeyed, so that what follows can be read.
                    let size = if dice.one_in(8) { number } else { 1 + number % 100_000 };
                    body.clear();
                    body.put_u32(size);
                    put(dice, &mut out, 2, kind, 0, &body.freeze(), chunk_size);
                    chunk_size = size.clamp(1, 0xFF_FFFF);
                    continue;
                }
                (kind, 0, body.freeze())
            }
            14 => (dice.byte(), dice.number(), dice.bytes().into()),
            _ => {
                // Bytes that are no chunk, or half of one.
                let bytes = dice.bytes();
                out.put_slice(&bytes);
                continue;
            }
        };
        put(dice, &mut out, csid, kind, stream, &payload, chunk_size);
    }
    out
}

/// One message: whole, as a step, cut off, or with a byte changed.
fn put(dice: &mut Dice<'_>, out: &mut BytesMut, csid: u32, kind: u8, stream: u32, payload: &Bytes, chunk_size: u32) {
    let mut wire = BytesMut::new();
    let form = dice.byte();
    let time = if form & 0x0F == 0x0F { dice.number() } else { u32::from(form >> 4) };
    let written = match form % 4 {
        1 => encode_delta(&mut wire, csid, kind, time, payload, chunk_size),
        _ => encode_full(&mut wire, csid, kind, stream, time, payload, chunk_size),
    };
    if written.is_err() {
        return;
    }
    match form {
        0xE0..=0xEF => {
            let place = usize::from(dice.byte()) % wire.len();
            wire[place] ^= 1 << dice.below(8);
        }
        0xF0..=0xF7 => wire.truncate(usize::from(dice.byte()) % (wire.len() + 1)),
        0xF8..=0xFB => {
            // The same again, as one chunk of type 3 in a row.
            wire.put_u8(0xC0 | csid as u8);
        }
        _ => {}
    }
    out.put_slice(&wire);
}

fn aggregate(dice: &mut Dice<'_>) -> Bytes {
    let mut out = BytesMut::new();
    for _ in 0..dice.below(6) {
        let body = dice.bytes();
        out.put_u8(dice.pick(&[8, 9, 18, 15, 1, 22]));
        out.put_uint(if dice.one_in(12) { u64::from(dice.byte()) } else { body.len() as u64 }, 3);
        let time = dice.number();
        out.put_u32(time.rotate_left(8));
        out.put_uint(0, 3);
        out.put_slice(&body);
        out.put_u32(11 + body.len() as u32);
    }
    let end = if dice.one_in(6) { out.len().saturating_sub(dice.below(9)) } else { out.len() };
    out.truncate(end);
    out.freeze()
}
