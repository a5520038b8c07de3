//! Writing AMF0.
use super::{Value, marker};
use crate::amf3;
use bytes::{BufMut, BytesMut};

/// Appends one value.
///
/// A field name or class name above 65535 bytes cannot be written in AMF0 and is cut at the last whole character.
pub fn encode(value: &Value, out: &mut BytesMut) {
    match value {
        Value::Number(number) => {
            out.put_u8(marker::NUMBER);
            out.put_f64(*number);
        }
        Value::Boolean(boolean) => {
            out.put_u8(marker::BOOLEAN);
            out.put_u8(u8::from(*boolean));
        }
        Value::String(text) => match u16::try_from(text.len()) {
            Ok(length) => {
                out.put_u8(marker::STRING);
                out.put_u16(length);
                out.put_slice(text.as_bytes());
            }
            Err(_) => {
                out.put_u8(marker::LONG_STRING);
                put_long(text, out);
            }
        },
        Value::Object(fields) => {
            out.put_u8(marker::OBJECT);
            put_fields(fields, out);
        }
        Value::Null => out.put_u8(marker::NULL),
        Value::Undefined => out.put_u8(marker::UNDEFINED),
        Value::Reference(index) => {
            out.put_u8(marker::REFERENCE);
            out.put_u16(*index);
        }
        Value::EcmaArray(fields) => {
            out.put_u8(marker::ECMA_ARRAY);
            out.put_u32(fields.len() as u32);
            put_fields(fields, out);
        }
        Value::StrictArray(items) => {
            out.put_u8(marker::STRICT_ARRAY);
            out.put_u32(items.len() as u32);
            encode_all(items, out);
        }
        Value::Date { ms, zone } => {
            out.put_u8(marker::DATE);
            out.put_f64(*ms);
            out.put_i16(*zone);
        }
        Value::Unsupported => out.put_u8(marker::UNSUPPORTED),
        Value::Xml(text) => {
            out.put_u8(marker::XML);
            put_long(text, out);
        }
        Value::TypedObject { class, fields } => {
            out.put_u8(marker::TYPED_OBJECT);
            put_name(class, out);
            put_fields(fields, out);
        }
        Value::Amf3(value) => {
            out.put_u8(marker::AMF3);
            amf3::encode(value, out);
        }
    }
}

/// Appends several values, one after the other.
pub fn encode_all<'a>(values: impl IntoIterator<Item = &'a Value>, out: &mut BytesMut) {
    for value in values {
        encode(value, out);
    }
}

fn put_fields(fields: &[(String, Value)], out: &mut BytesMut) {
    for (name, value) in fields {
        put_name(name, out);
        encode(value, out);
    }
    out.put_u16(0);
    out.put_u8(marker::OBJECT_END);
}

fn put_name(name: &str, out: &mut BytesMut) {
    let cut = name.floor_char_boundary(usize::from(u16::MAX));
    out.put_u16(cut as u16);
    out.put_slice(name.as_bytes().get(..cut).unwrap_or_default());
}

fn put_long(text: &str, out: &mut BytesMut) {
    out.put_u32(text.len() as u32);
    out.put_slice(text.as_bytes());
}
