//! Writing AMF3, without using the reference tables.
use super::{Value, marker};
use bytes::{BufMut, BytesMut};

/// The largest length or count that fits beside the flag bit of a U29 (§1.3.1).
const MAX_COUNT: usize = (1 << 28) - 1;

/// Appends one value. Strings above 2^28 - 1 bytes cannot be written and are cut at the last whole character.
pub fn encode(value: &Value, out: &mut BytesMut) {
    match value {
        Value::Undefined => out.put_u8(marker::UNDEFINED),
        Value::Null => out.put_u8(marker::NULL),
        Value::Boolean(false) => out.put_u8(marker::FALSE),
        Value::Boolean(true) => out.put_u8(marker::TRUE),
        Value::Integer(number) if (-(1 << 28)..1 << 28).contains(number) => {
            out.put_u8(marker::INTEGER);
            put_u29(number.cast_unsigned() & 0x1FFF_FFFF, out);
        }
        Value::Integer(number) => encode(&Value::Double(f64::from(*number)), out),
        Value::Double(number) => {
            out.put_u8(marker::DOUBLE);
            out.put_f64(*number);
        }
        Value::String(text) => {
            out.put_u8(marker::STRING);
            put_text(text, out);
        }
        Value::XmlDocument(text) => {
            out.put_u8(marker::XML_DOCUMENT);
            put_text(text, out);
        }
        Value::Date(ms) => {
            out.put_u8(marker::DATE);
            out.put_u8(1);
            out.put_f64(*ms);
        }
        Value::Array { named, items } => {
            out.put_u8(marker::ARRAY);
            put_count(items.len(), out);
            for (name, value) in named.iter().filter(|(name, _)| !name.is_empty()) {
                put_text(name, out);
                encode(value, out);
            }
            put_text("", out);
            items.iter().for_each(|item| encode(item, out));
        }
        Value::Object { class, fields } => {
            out.put_u8(marker::OBJECT);
            // All members as sealed ones of a class sent in full: 0b0011 and the number of names above it.
            put_u29((fields.len() as u32) << 4 | 0b0011, out);
            put_text(class, out);
            fields.iter().for_each(|(name, _)| put_text(name, out));
            fields.iter().for_each(|(_, value)| encode(value, out));
        }
        Value::Xml(text) => {
            out.put_u8(marker::XML);
            put_text(text, out);
        }
        Value::ByteArray(bytes) => {
            out.put_u8(marker::BYTE_ARRAY);
            put_count(bytes.len(), out);
            out.put_slice(bytes);
        }
        Value::VectorInt(items) => {
            put_vector(marker::VECTOR_INT, items.len(), out);
            items.iter().for_each(|item| out.put_i32(*item));
        }
        Value::VectorUint(items) => {
            put_vector(marker::VECTOR_UINT, items.len(), out);
            items.iter().for_each(|item| out.put_u32(*item));
        }
        Value::VectorDouble(items) => {
            put_vector(marker::VECTOR_DOUBLE, items.len(), out);
            items.iter().for_each(|item| out.put_f64(*item));
        }
        Value::VectorObject { class, items } => {
            put_vector(marker::VECTOR_OBJECT, items.len(), out);
            put_text(class, out);
            items.iter().for_each(|item| encode(item, out));
        }
        Value::Dictionary(pairs) => {
            put_vector(marker::DICTIONARY, pairs.len(), out);
            for (key, value) in pairs {
                encode(key, out);
                encode(value, out);
            }
        }
        Value::Reference(index) => {
            out.put_u8(marker::OBJECT);
            put_u29(index << 1, out);
        }
    }
}

/// Vectors and dictionaries: a count, then one byte (fixed length, weak keys), written as 0.
fn put_vector(marker: u8, count: usize, out: &mut BytesMut) {
    out.put_u8(marker);
    put_count(count, out);
    out.put_u8(0);
}

fn put_count(count: usize, out: &mut BytesMut) {
    put_u29((count.min(MAX_COUNT) as u32) << 1 | 1, out);
}

fn put_text(text: &str, out: &mut BytesMut) {
    let cut = text.floor_char_boundary(MAX_COUNT);
    put_count(cut, out);
    out.put_slice(text.as_bytes().get(..cut).unwrap_or_default());
}

/// Seven bits a byte, most significant first, the fourth byte whole (§1.3.1).
fn put_u29(number: u32, out: &mut BytesMut) {
    let low = |shift: u32| (number >> shift) as u8;
    match number {
        0..0x80 => out.put_u8(low(0)),
        0x80..0x4000 => out.put_slice(&[low(7) | 0x80, low(0) & 0x7F]),
        0x4000..0x20_0000 => out.put_slice(&[low(14) | 0x80, low(7) | 0x80, low(0) & 0x7F]),
        _ => out.put_slice(&[low(22) | 0x80, low(15) | 0x80, low(8) | 0x80, low(0)]),
    }
}
