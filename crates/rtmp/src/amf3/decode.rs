//! Reading AMF3: the reference tables and every type; attacks go for the tables, so each look-up is checked.
use super::{Value, marker};
use crate::amf0::Input;
use crate::error::{ErrorKind, Result};
use std::rc::Rc;

/// What a class looks like (§3.12 "traits").
struct Traits {
    class: String,
    dynamic: bool,
    names: Vec<String>,
}

/// The three tables of one AMF3 value (§2.2). The objects themselves are not kept, only their number.
#[derive(Default)]
struct Tables {
    strings: Vec<Rc<str>>,
    traits: Vec<Rc<Traits>>,
    objects: u32,
}

/// A length or count that came in full, or a reference to something sent before.
enum Header {
    Inline(u32),
    Reference(u32),
}

/// Reads one value with fresh tables, as after the AMF0 marker 0x11.
pub(crate) fn decode_one(input: &mut Input<'_>) -> Result<Value> {
    value(input, &mut Tables::default())
}

fn value(input: &mut Input<'_>, tables: &mut Tables) -> Result<Value> {
    input.spend_node()?;
    let marker = input.byte("a type marker")?;
    match marker {
        marker::UNDEFINED => return Ok(Value::Undefined),
        marker::NULL => return Ok(Value::Null),
        marker::FALSE => return Ok(Value::Boolean(false)),
        marker::TRUE => return Ok(Value::Boolean(true)),
        // Sign extension from 29 bits.
        marker::INTEGER => return Ok(Value::Integer((u29(input)? << 3).cast_signed() >> 3)),
        marker::DOUBLE => return Ok(Value::Double(f64::from_be_bytes(input.array("a double")?))),
        marker::STRING => return Ok(Value::String(text(input, tables)?)),
        marker::XML_DOCUMENT..=marker::DICTIONARY => {}
        _ => {
            input.unread_byte();
            return Err(input.error(ErrorKind::AmfMarker { marker, version: 3 }));
        }
    }
    let count = match header(input)? {
        Header::Inline(count) => count,
        Header::Reference(index) if index < tables.objects => return Ok(Value::Reference(index)),
        Header::Reference(index) => return Err(bad_reference(input, "object", index, tables.objects)),
    };
    // An object has its number before its members are read: they may refer to it.
    tables.objects += 1;
    let length = count as usize;
    match marker {
        marker::XML_DOCUMENT => Ok(Value::XmlDocument(input.text(length, "an XML document")?)),
        marker::XML => Ok(Value::Xml(input.text(length, "an XML document")?)),
        marker::DATE => Ok(Value::Date(f64::from_be_bytes(input.array("a date")?))),
        // Each counts as a level, as it does in AMF0, where it is an array.
        marker::BYTE_ARRAY => input.deeper(|input| Ok(Value::ByteArray(input.take(length, "a byte array")?.to_vec()))),
        marker::VECTOR_INT => input.deeper(|input| Ok(Value::VectorInt(numbers(input, length, i32::from_be_bytes)?))),
        marker::VECTOR_UINT => input.deeper(|input| Ok(Value::VectorUint(numbers(input, length, u32::from_be_bytes)?))),
        marker::VECTOR_DOUBLE => {
            input.deeper(|input| Ok(Value::VectorDouble(numbers(input, length, f64::from_be_bytes)?)))
        }
        marker::ARRAY => input.deeper(|input| {
            let named = dynamic_members(input, tables)?;
            let items = items(input, tables, count)?;
            Ok(Value::Array { named, items })
        }),
        marker::VECTOR_OBJECT => input.deeper(|input| {
            input.byte("a vector's fixed flag")?;
            let class = text(input, tables)?;
            Ok(Value::VectorObject { class, items: items(input, tables, count)? })
        }),
        marker::DICTIONARY => input.deeper(|input| {
            input.byte("a dictionary's weak flag")?;
            let pair = |_| Ok((value(input, tables)?, value(input, tables)?));
            Ok(Value::Dictionary((0..count).map(pair).collect::<Result<_>>()?))
        }),
        _ => input.deeper(|input| object(input, tables, count)),
    }
}

/// An object; `flags` is its U29 without the lowest bit, which said that it is no reference.
fn object(input: &mut Input<'_>, tables: &mut Tables, flags: u32) -> Result<Value> {
    let traits = if flags & 1 == 0 {
        let index = flags >> 1;
        match tables.traits.get(index as usize) {
            Some(traits) => Rc::clone(traits),
            None => return Err(bad_reference(input, "class", index, tables.traits.len() as u32)),
        }
    } else {
        let class = text(input, tables)?;
        if flags & 2 != 0 {
            return Err(input.error(ErrorKind::AmfExternalizable));
        }
        let mut names = Vec::new();
        for _ in 0..flags >> 3 {
            input.spend_node()?;
            names.push(text(input, tables)?);
        }
        let traits = Rc::new(Traits { class, dynamic: flags & 4 != 0, names });
        tables.traits.push(Rc::clone(&traits));
        traits
    };
    input.spend_bytes(traits.class.len())?;
    let mut fields = Vec::new();
    for name in &traits.names {
        input.spend_bytes(name.len())?;
        fields.push((name.clone(), value(input, tables)?));
    }
    if traits.dynamic {
        fields.extend(dynamic_members(input, tables)?);
    }
    Ok(Value::Object { class: traits.class.clone(), fields })
}

/// Names and values until an empty name, or until the message ends between two of them.
fn dynamic_members(input: &mut Input<'_>, tables: &mut Tables) -> Result<Vec<(String, Value)>> {
    let mut members = Vec::new();
    while !input.rest().is_empty() {
        let name = text(input, tables)?;
        if name.is_empty() {
            break;
        }
        members.push((name, value(input, tables)?));
    }
    Ok(members)
}

fn items(input: &mut Input<'_>, tables: &mut Tables, count: u32) -> Result<Vec<Value>> {
    (0..count).map(|_| value(input, tables)).collect()
}

fn numbers<T, const N: usize>(input: &mut Input<'_>, count: usize, read: fn([u8; N]) -> T) -> Result<Vec<T>> {
    input.byte("a vector's fixed flag")?;
    let bytes = input.take(count.saturating_mul(N), "a vector")?;
    Ok(bytes.as_chunks::<N>().0.iter().map(|chunk| read(*chunk)).collect())
}

/// A string in full or by reference (§1.3.2). The empty string is never in the table.
fn text(input: &mut Input<'_>, tables: &mut Tables) -> Result<String> {
    match header(input)? {
        Header::Inline(0) => Ok(String::new()),
        Header::Inline(length) => {
            let text = input.text(length as usize, "a string")?;
            tables.strings.push(Rc::from(text.as_str()));
            Ok(text)
        }
        Header::Reference(index) => match tables.strings.get(index as usize) {
            Some(text) => {
                input.spend_bytes(text.len())?;
                Ok(text.as_ref().to_owned())
            }
            None => Err(bad_reference(input, "string", index, tables.strings.len() as u32)),
        },
    }
}

fn bad_reference(input: &Input<'_>, what: &'static str, index: u32, known: u32) -> crate::Error {
    input.error(ErrorKind::AmfReference { version: 3, what, index, known })
}

fn header(input: &mut Input<'_>) -> Result<Header> {
    let number = u29(input)?;
    Ok(if number & 1 == 1 { Header::Inline(number >> 1) } else { Header::Reference(number >> 1) })
}

/// An unsigned number of up to 29 bits in one to four bytes (§1.3.1).
fn u29(input: &mut Input<'_>) -> Result<u32> {
    let mut number = 0;
    for _ in 0..3 {
        let byte = input.byte("a number")?;
        number = number << 7 | u32::from(byte & 0x7F);
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Ok(number << 8 | u32::from(input.byte("a number")?))
}
