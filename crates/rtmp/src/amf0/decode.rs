//! Reading AMF0.
use super::{Value, marker};
use crate::amf3;
use crate::error::{Error, ErrorKind, Result};
use crate::limits::Limits;

/// Reads all values of a command's or data message's payload.
pub fn decode_all(payload: &[u8], limits: &Limits) -> Result<Vec<Value>> {
    let mut decoder = Decoder::new(payload, limits);
    let mut values = Vec::new();
    while let Some(value) = decoder.next_value()? {
        values.push(value);
    }
    Ok(values)
}

/// Reads values one at a time (AMF 0 §2). The limits hold for all values of one decoder together.
#[derive(Debug)]
pub struct Decoder<'a> {
    input: Input<'a>,
}

impl<'a> Decoder<'a> {
    /// A decoder at the start of `payload`.
    pub fn new(payload: &'a [u8], limits: &Limits) -> Self {
        Self { input: Input::new(payload, limits) }
    }

    /// The next value, or `None` at the end of the payload. After an error the position is undefined: read no further.
    pub fn next_value(&mut self) -> Result<Option<Value>> {
        if self.input.rest().is_empty() { Ok(None) } else { value(&mut self.input).map(Some) }
    }

    /// Bytes read so far.
    pub fn position(&self) -> usize {
        self.input.position()
    }

    /// The bytes not read yet.
    pub fn remaining(&self) -> &'a [u8] {
        self.input.rest()
    }
}

/// Bytes with a position and the budget that AMF0 and AMF3 share: switching between them must not double it.
#[derive(Debug)]
pub(crate) struct Input<'a> {
    all: &'a [u8],
    position: usize,
    depth: usize,
    depth_limit: usize,
    nodes: usize,
    node_limit: usize,
    bytes: usize,
    byte_limit: usize,
}

impl<'a> Input<'a> {
    pub(crate) fn new(all: &'a [u8], limits: &Limits) -> Self {
        Self {
            all,
            position: 0,
            depth: 0,
            depth_limit: limits.amf_depth,
            nodes: 0,
            node_limit: limits.amf_nodes,
            bytes: 0,
            byte_limit: limits.amf_bytes,
        }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.all.get(self.position..).unwrap_or_default()
    }

    pub(crate) fn error(&self, kind: ErrorKind) -> Error {
        Error::at(kind, self.position as u64)
    }

    /// The next `count` bytes.
    pub(crate) fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8]> {
        let rest = self.rest();
        let Some(taken) = rest.get(..count) else {
            return Err(self.error(ErrorKind::AmfTruncated { what, need: count, got: rest.len() }));
        };
        self.spend_bytes(count)?;
        self.position += count;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N, what)?);
        Ok(bytes)
    }

    pub(crate) fn byte(&mut self, what: &'static str) -> Result<u8> {
        Ok(u8::from_be_bytes(self.array(what)?))
    }

    /// Steps back over one byte that was read.
    pub(crate) fn unread_byte(&mut self) {
        self.position = self.position.saturating_sub(1);
    }

    pub(crate) fn text(&mut self, length: usize, what: &'static str) -> Result<String> {
        Ok(String::from_utf8_lossy(self.take(length, what)?).into_owned())
    }

    /// Counts bytes of memory that a value costs, read or repeated.
    pub(crate) fn spend_bytes(&mut self, count: usize) -> Result<()> {
        self.bytes = self.bytes.saturating_add(count);
        if self.bytes > self.byte_limit {
            return Err(self.error(ErrorKind::AmfLimit { what: "bytes", limit: self.byte_limit as u32 }));
        }
        Ok(())
    }

    /// Counts one value.
    pub(crate) fn spend_node(&mut self) -> Result<()> {
        self.nodes += 1;
        if self.nodes > self.node_limit {
            return Err(self.error(ErrorKind::AmfLimit { what: "values", limit: self.node_limit as u32 }));
        }
        Ok(())
    }

    /// Runs `read` one level deeper.
    pub(crate) fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= self.depth_limit {
            let limit = self.depth_limit as u32;
            return Err(self.error(ErrorKind::AmfLimit { what: "levels of nesting", limit }));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }
}

fn value(input: &mut Input<'_>) -> Result<Value> {
    input.spend_node()?;
    let marker = input.byte("a type marker")?;
    Ok(match marker {
        marker::NUMBER => Value::Number(f64::from_be_bytes(input.array("a number")?)),
        marker::BOOLEAN => Value::Boolean(input.byte("a boolean")? != 0),
        marker::STRING => Value::String(short_text(input, "a string")?),
        marker::OBJECT => Value::Object(input.deeper(fields)?),
        marker::NULL => Value::Null,
        marker::UNDEFINED => Value::Undefined,
        marker::REFERENCE => Value::Reference(u16::from_be_bytes(input.array("a reference")?)),
        marker::ECMA_ARRAY => {
            // The count is a hint only: some encoders write 20 whatever follows. The end marker decides.
            input.array::<4>("an ECMA array's count")?;
            Value::EcmaArray(input.deeper(fields)?)
        }
        marker::STRICT_ARRAY => {
            let count = u32::from_be_bytes(input.array("a strict array's count")?);
            Value::StrictArray(input.deeper(|input| (0..count).map(|_| value(input)).collect())?)
        }
        marker::DATE => Value::Date {
            ms: f64::from_be_bytes(input.array("a date")?),
            zone: i16::from_be_bytes(input.array("a date's time zone")?),
        },
        marker::LONG_STRING => Value::String(long_text(input, "a long string")?),
        marker::UNSUPPORTED => Value::Unsupported,
        marker::XML => Value::Xml(long_text(input, "an XML document")?),
        marker::TYPED_OBJECT => {
            let class = short_text(input, "a class name")?;
            Value::TypedObject { class, fields: input.deeper(fields)? }
        }
        marker::AMF3 => Value::Amf3(amf3::decode_one(input)?),
        _ => {
            input.unread_byte();
            return Err(input.error(ErrorKind::AmfMarker { marker, version: 0 }));
        }
    })
}

/// Names and values until the end marker (an empty name and 0x09), or until the message ends between two fields.
fn fields(input: &mut Input<'_>) -> Result<Vec<(String, Value)>> {
    let mut fields = Vec::new();
    loop {
        match input.rest() {
            [] => return Ok(fields),
            [0, 0] | [0, 0, marker::OBJECT_END, ..] => {
                input.take(input.rest().len().min(3), "an end marker")?;
                return Ok(fields);
            }
            _ => {}
        }
        let name = short_text(input, "a field name")?;
        fields.push((name, value(input)?));
    }
}

fn short_text(input: &mut Input<'_>, what: &'static str) -> Result<String> {
    let length = u16::from_be_bytes(input.array(what)?);
    input.text(usize::from(length), what)
}

fn long_text(input: &mut Input<'_>, what: &'static str) -> Result<String> {
    let length = u32::from_be_bytes(input.array(what)?);
    input.text(usize::try_from(length).unwrap_or(usize::MAX), what)
}
