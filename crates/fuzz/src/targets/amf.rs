//! AMF0 and AMF3: any bytes are an error or values; values that were written are read as the same, and memory is in
//! proportion to the limits.
use bytes::BytesMut;
use outflow_rtmp::amf0::{self, Decoder, Value};
use outflow_rtmp::amf3;
use outflow_rtmp::command::Command;
use outflow_rtmp::flv::color::ColorInfo;
use outflow_rtmp::message::kind;
use outflow_rtmp::session::Capabilities;
use outflow_rtmp::{Limits, Message};

use crate::meter::within;

/// Limits that a short input reaches.
fn tight() -> Limits {
    Limits { amf_depth: 5, amf_nodes: 40, amf_bytes: 1000, ..Limits::default() }
}

/// Text that is not UTF-8 takes three bytes for one, a vector of fields is doubled as it grows, and a value takes a
/// hundred bytes or so. Each byte of an input can be a value.
fn bound(limits: &Limits, input: usize) -> usize {
    4096 + 512 * limits.amf_nodes.min(input) + 8 * limits.amf_bytes.min(input * 300)
}

/// Enough for whatever was read once, lossy text being longer than it was.
fn wide() -> Limits {
    Limits { amf_bytes: usize::MAX, amf_nodes: usize::MAX, ..Limits::default() }
}

pub(super) fn amf0(data: &[u8]) {
    let Some((mode, bytes)) = data.split_first() else { return };
    let limits = if mode & 1 == 0 { Limits::default() } else { tight() };
    let values = within(bound(&limits, bytes.len()), "AMF0", || amf0::decode_all(bytes, &limits));
    let mut decoder = Decoder::new(bytes, &limits);
    let mut before = 0;
    while let Ok(Some(_)) = decoder.next_value() {
        assert!(decoder.position() > before, "no value is without a byte");
        before = decoder.position();
    }
    users(bytes, &limits);
    let Ok(values) = values else { return };
    let written = write(&values);
    let read = amf0::decode_all(&written, &wide()).unwrap();
    // Bytes are compared, for NaN is not equal to itself.
    assert!(write(&read) == written, "{values:?} became {read:?}");
    let plain: Vec<Value> = values.into_iter().map(Value::into_plain).collect();
    let written = write(&plain);
    assert_eq!(amf0::plain_payload(&written, &wide()), Ok(None), "what was made plain is not: {plain:?}");
}

pub(super) fn amf3(data: &[u8]) {
    let Some((mode, bytes)) = data.split_first() else { return };
    let limits = if mode & 1 == 0 { Limits::default() } else { tight() };
    let Ok((value, length)) = within(bound(&limits, bytes.len()), "AMF3", || amf3::decode(bytes, &limits)) else {
        return;
    };
    assert!((1..=bytes.len()).contains(&length));
    let mut written = BytesMut::new();
    amf3::encode(&value, &mut written);
    // References to objects stand for places that the writer does not number alike, so the first writing may differ in
    // what they can refer to; it must be readable all the same or say why not.
    if let Ok((read, length)) = amf3::decode(&written, &wide()) {
        assert_eq!(length, written.len());
        let mut again = BytesMut::new();
        amf3::encode(&read, &mut again);
        assert!(again == written, "{value:?} became {read:?}");
    } else {
        assert!(format!("{value:?}").contains("Reference("), "cannot be read again: {value:?}");
    }
    let plain = Value::Amf3(value).into_plain();
    assert_eq!(amf0::plain_payload(&write(&[plain]), &wide()), Ok(None));
}

fn write(values: &[Value]) -> BytesMut {
    let mut out = BytesMut::new();
    amf0::encode_all(values, &mut out);
    out
}

/// What reads AMF0 for its meaning.
fn users(bytes: &[u8], limits: &Limits) {
    let _ = amf0::plain_payload(bytes, limits);
    let _ = ColorInfo::parse(bytes, limits);
    let payload = bytes::Bytes::copy_from_slice(bytes);
    let message = Message { csid: 3, kind: kind::COMMAND, stream_id: 0, timestamp: 0, payload };
    if let Ok(command) = Command::decode(&message, limits) {
        let capabilities = Capabilities::read(&command.object);
        let written = Value::object(capabilities.write());
        assert_eq!(Capabilities::read(&written), capabilities, "capabilities written and read");
        let _ = (command.info().get_str("code"), format!("{:?}", command.argument(0)));
        let payload = command.encode();
        let again = Command::decode(&Message { payload: payload.clone(), ..message }, &wide()).unwrap();
        assert!(again.encode() == payload, "a command written and read");
    }
}
