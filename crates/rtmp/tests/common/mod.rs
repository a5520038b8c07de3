//! A bare peer for session tests: sends what it is told to, and puts what it hears into short lines of text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, dead_code, unreachable_pub)]
use bytes::{Bytes, BytesMut};
use outflow_rtmp::amf0::{self, Value};
use outflow_rtmp::chunk::{ChunkReader, encode_full};
use outflow_rtmp::command::Command;
use outflow_rtmp::message::{Control, kind};
use outflow_rtmp::{Limits, Message};

/// C0, C1 and C2, or S0, S1 and S2, of the plain handshake.
pub fn handshake() -> Vec<u8> {
    let mut bytes = vec![0; 3073];
    bytes[0] = 3;
    bytes
}

/// A message as bytes, in chunks of at most 128 bytes.
pub fn message(csid: u32, kind: u8, stream_id: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    encode_full(&mut out, csid, kind, stream_id, 0, payload, 128).unwrap();
    out.to_vec()
}

pub fn call(stream_id: u32, name: &str, transaction_id: f64, arguments: Vec<Value>) -> Vec<u8> {
    message(3, kind::COMMAND, stream_id, &Command::new(name, transaction_id, arguments).encode())
}

pub fn connect(object: Value) -> Vec<u8> {
    let mut command = Command::new("connect", 1.0, Vec::new());
    command.object = object;
    message(3, kind::COMMAND, 0, &command.encode())
}

pub fn control(control: Control) -> Vec<u8> {
    let (kind, payload) = control.encode();
    message(2, kind, 0, &payload)
}

pub fn text(text: &str) -> Value {
    Value::from(text)
}

/// Reads what a session sends.
pub struct Listener {
    reader: ChunkReader,
    to_skip: usize,
}

impl Listener {
    pub fn new() -> Self {
        Listener { reader: ChunkReader::new(Limits::default()), to_skip: 3073 }
    }

    pub fn messages(&mut self, mut output: Bytes) -> Vec<Message> {
        let skipped = self.to_skip.min(output.len());
        self.to_skip -= skipped;
        self.reader.push(&output.split_off(skipped));
        std::iter::from_fn(|| self.reader.next().unwrap()).collect()
    }

    /// A line for each message: a control message as it is; commands and data as stream id, name, transaction id,
    /// then arguments, of status objects the code only.
    pub fn lines(&mut self, output: Bytes) -> Vec<String> {
        self.messages(output).iter().map(line).collect()
    }
}

fn line(message: &Message) -> String {
    if let Some(control) = Control::decode(message).unwrap() {
        assert_eq!((message.csid, message.stream_id), (2, 0));
        return match control {
            Control::User(event) => format!("{event:?}"),
            other => format!("{other:?}"),
        };
    }
    assert!([3, 8].contains(&message.csid), "csid {}", message.csid);
    let values = amf0::decode_all(&message.payload, &Limits::default()).unwrap();
    let words: Vec<String> = values.iter().map(word).collect();
    format!("{} {}", message.stream_id, words.join(" "))
}

fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Boolean(boolean) => boolean.to_string(),
        Value::Null => "null".to_owned(),
        Value::Object(fields) => match value.get_str("code") {
            Some(code) => format!("{}{code}", if value.get_str("level") == Some("error") { "!" } else { "" }),
            None => format!("{{{}}}", fields.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(",")),
        },
        other => format!("{other:?}"),
    }
}
