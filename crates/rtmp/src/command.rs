//! Commands: remote calls, their answers and status messages (Adobe RTMP 1.0 §7.1.1, §7.2).
use bytes::{Bytes, BytesMut};

use crate::amf0::{self, Value};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;
use crate::message::{Message, kind};

/// A command message (Adobe RTMP 1.0 §7.1.1, §7.2).
#[derive(Clone, PartialEq)]
pub struct Command {
    /// The procedure: `connect`, `_result`, `onStatus`, ...
    pub name: String,
    /// Connects a call with its answer; 0 asks for none. An answer repeats the caller's number exactly.
    pub transaction_id: f64,
    /// The command object: the properties of a connect and of its answer, null otherwise.
    pub object: Value,
    /// What follows the command object.
    pub arguments: Vec<Value>,
}

impl Command {
    /// A command without an object.
    pub fn new(name: &str, transaction_id: f64, arguments: Vec<Value>) -> Self {
        Command { name: name.to_owned(), transaction_id, object: Value::Null, arguments }
    }

    /// `onStatus` with an info object (§7.2.2): level is `status`, `error` or `warning`.
    pub fn on_status(level: &str, code: &str, description: &str) -> Self {
        Command::new("onStatus", 0.0, vec![status(level, code, description)])
    }

    /// Reads a command message of either AMF form.
    ///
    /// Only the name is required. A transaction id that is missing or no number counts as 0, a missing object as null. Values
    /// in AMF3 become the same in AMF0 ([`Value::into_plain`]).
    pub fn decode(message: &Message, limits: &Limits) -> Result<Command> {
        let mut payload = &message.payload[..];
        // Enhanced RTMP v2, "AMF3": a format byte, then AMF0 values. No AMF0 command starts with 0, a number's marker.
        if let (kind::COMMAND_AMF3, [0, rest @ ..]) = (message.kind, payload) {
            payload = rest;
        }
        let locate = |error: Error| error.on_csid(message.csid).in_message(message.kind);
        let values = amf0::decode_all(payload, limits).map_err(locate)?;
        let mut values = values.into_iter().map(Value::into_plain);
        let Some(Value::String(name)) = values.next() else {
            let kind = ErrorKind::BadCommand { command: "of a message", problem: "it does not start with a name" };
            return Err(locate(kind.into()));
        };
        if name.len() > limits.name {
            return Err(locate(ErrorKind::NameTooLong { what: "a command's name", limit: limits.name as u32 }.into()));
        }
        let transaction_id = values.next().and_then(|value| value.as_f64()).unwrap_or(0.0);
        let object = values.next().unwrap_or(Value::Null);
        Ok(Command { name, transaction_id, object, arguments: values.collect() })
    }

    /// The payload in AMF0 form, for a message of type [`kind::COMMAND`].
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(256);
        amf0::encode(&Value::String(self.name.clone()), &mut out);
        amf0::encode(&Value::Number(self.transaction_id), &mut out);
        amf0::encode(&self.object, &mut out);
        amf0::encode_all(&self.arguments, &mut out);
        out.freeze()
    }

    /// The argument at `index`, null if it is missing.
    pub fn argument(&self, index: usize) -> &Value {
        self.arguments.get(index).unwrap_or(&Value::Null)
    }

    /// The info object of a status message or of an answer: the last argument that has a code, or the object itself.
    pub fn info(&self) -> &Value {
        self.arguments
            .iter()
            .rev()
            .chain([&self.object])
            .find(|value| value.get_str("code").is_some())
            .unwrap_or(&Value::Null)
    }
}

/// Shows the name and the number of arguments only: they may hold stream keys.
impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Command")
            .field("name", &self.name)
            .field("transaction_id", &self.transaction_id)
            .field("arguments", &self.arguments.len())
            .finish()
    }
}

/// An info object (§7.2.2).
pub fn status(level: &str, code: &str, description: &str) -> Value {
    Value::object([("level", level.into()), ("code", code.into()), ("description", Value::from(description))])
}

type Fields = Vec<(String, Value)>;

/// Reads additional connect arguments written as FFmpeg's `rtmp_conn` option has them: items separated by spaces,
/// each a type letter, a colon and a value.
///
/// `B:` boolean (0 or 1), `N:` number, `S:` string, `Z:` null, `O:1` opens an object and `O:0` ends it. Inside an
/// object the letter is prefixed with `N` and the item names its field: `NS:name:value`, `NN:`, `NB:`, `NZ:name`,
/// `NO:name:1`.
pub fn parse_conn(text: &str) -> Result<Vec<Value>> {
    let wrong = |problem| Error::from(ErrorKind::BadCommand { command: "connect", problem });
    let mut done = Vec::new();
    // Objects that are open: the name in the surrounding one, and the fields so far.
    let mut open: Vec<(Option<String>, Fields)> = Vec::new();
    for item in text.split(' ').filter(|item| !item.is_empty()) {
        let (letters, rest) = item.split_once(':').unwrap_or((item, ""));
        let (name, letter, value) = match letters.strip_prefix('N') {
            Some(letter) if !letter.is_empty() => {
                let (name, value) = rest.split_once(':').unwrap_or((rest, ""));
                (Some(name.to_owned()), letter, value)
            }
            _ => (None, letters, rest),
        };
        let (name, value) = match (letter, value) {
            ("B", "0") => (name, Value::Boolean(false)),
            ("B", "1") => (name, Value::Boolean(true)),
            ("B", _) => return Err(wrong("an argument of type B is 0 or 1")),
            ("N", number) => {
                let number = number.parse().map_err(|_| wrong("an argument of type N is a number"))?;
                (name, Value::Number(number))
            }
            ("S", text) => (name, Value::from(text)),
            ("Z", _) => (name, Value::Null),
            ("O", "1") if open.len() >= 16 => return Err(wrong("its arguments nest more than 16 objects")),
            ("O", "1") => {
                open.push((name, Vec::new()));
                continue;
            }
            ("O", "0") => {
                let (opened_as, fields) = open.pop().ok_or_else(|| wrong("O:0 ends an object that O:1 never began"))?;
                (opened_as, Value::Object(fields))
            }
            ("O", _) => return Err(wrong("an object begins with O:1 and ends with O:0")),
            _ => return Err(wrong("the types of arguments are B, N, S, Z and O, or NB, NN, NS, NZ, NO in an object")),
        };
        match (open.last_mut(), name) {
            (Some((_, fields)), Some(name)) => fields.push((name, value)),
            (Some(_), None) => return Err(wrong("an argument inside an object needs a name, such as NS:name:text")),
            (None, None) => done.push(value),
            (None, Some(_)) => return Err(wrong("a named argument stands outside of an object; begin one with O:1")),
        }
    }
    if open.is_empty() { Ok(done) } else { Err(wrong("an object begun with O:1 is not ended with O:0")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn message(kind: u8, payload: impl Into<Bytes>) -> Message {
        Message { csid: 3, kind, stream_id: 0, timestamp: 0, payload: payload.into() }
    }

    #[test]
    fn round_trip_in_both_forms() {
        let mut command = Command::on_status("status", "NetStream.Publish.Start", "live");
        command.object = Value::object([("a", Value::Number(1.5))]);
        let payload = command.encode();
        assert_eq!(Command::decode(&message(kind::COMMAND, payload.clone()), &Limits::default()).unwrap(), command);
        let mut amf3 = vec![0];
        amf3.extend_from_slice(&payload);
        assert_eq!(Command::decode(&message(kind::COMMAND_AMF3, amf3), &Limits::default()).unwrap(), command);
        // Without the format byte.
        assert_eq!(Command::decode(&message(kind::COMMAND_AMF3, payload), &Limits::default()).unwrap(), command);
        assert_eq!(command.info().get_str("code"), Some("NetStream.Publish.Start"));
    }

    #[test]
    fn only_the_name_is_needed() {
        let decode = |values: &[Value]| {
            let mut out = BytesMut::new();
            amf0::encode_all(values, &mut out);
            Command::decode(&message(kind::COMMAND, out.freeze()), &Limits::default())
        };
        let bare = decode(&["deleteStream".into()]).unwrap();
        assert_eq!((bare.transaction_id, bare.object.is_null(), bare.arguments.len()), (0.0, true, 0));
        let odd = decode(&["x".into(), "seven".into(), Value::Boolean(true), Value::Null]).unwrap();
        assert_eq!((odd.transaction_id, odd.arguments.len()), (0.0, 1));
        for wrong in [vec![], vec![Value::Number(1.0)], vec![Value::from("n".repeat(1025))]] {
            assert!(decode(&wrong).is_err());
        }
    }

    #[test]
    fn conn_as_ffmpeg_writes_it() {
        let values = parse_conn("B:1 S:authMe O:1 NN:code:1.23 NS:flag:ok O:0").unwrap();
        let object = Value::object([("code", Value::Number(1.23)), ("flag", "ok".into())]);
        assert_eq!(values, [Value::Boolean(true), "authMe".into(), object]);
        let nested = parse_conn("O:1 NO:in:1 NB:b:0 O:0 NZ:z: O:0 Z: N:-2").unwrap();
        let inner = Value::object([("b", Value::Boolean(false))]);
        let outer = Value::object([("in", inner), ("z", Value::Null)]);
        assert_eq!(nested, [outer, Value::Null, Value::Number(-2.0)]);
        assert_eq!(parse_conn("S:a:b").unwrap(), [Value::from("a:b")]);
        assert!(parse_conn("").unwrap().is_empty());
        for wrong in ["X:1", "B:2", "N:x", "O:0", "O:1", "O:1 S:x O:0", "NS:a:b", "O:2", "N", &"O:1 ".repeat(17)] {
            assert!(parse_conn(wrong).is_err(), "{wrong}");
        }
    }
}
