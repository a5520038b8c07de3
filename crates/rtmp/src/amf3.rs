//! AMF3: the values that Flash-era peers put into messages 15 and 17, and into AMF0 after the marker 0x11
//! (Adobe "Action Message Format -- AMF 3").
mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub(crate) use decode::decode_one;
pub use encode::encode;

use crate::error::Result;
use crate::limits::Limits;

/// The type markers (AMF 3 §3.1).
pub(crate) mod marker {
    pub(crate) const UNDEFINED: u8 = 0x00;
    pub(crate) const NULL: u8 = 0x01;
    pub(crate) const FALSE: u8 = 0x02;
    pub(crate) const TRUE: u8 = 0x03;
    pub(crate) const INTEGER: u8 = 0x04;
    pub(crate) const DOUBLE: u8 = 0x05;
    pub(crate) const STRING: u8 = 0x06;
    pub(crate) const XML_DOCUMENT: u8 = 0x07;
    pub(crate) const DATE: u8 = 0x08;
    pub(crate) const ARRAY: u8 = 0x09;
    pub(crate) const OBJECT: u8 = 0x0A;
    pub(crate) const XML: u8 = 0x0B;
    pub(crate) const BYTE_ARRAY: u8 = 0x0C;
    pub(crate) const VECTOR_INT: u8 = 0x0D;
    pub(crate) const VECTOR_UINT: u8 = 0x0E;
    pub(crate) const VECTOR_DOUBLE: u8 = 0x0F;
    pub(crate) const VECTOR_OBJECT: u8 = 0x10;
    pub(crate) const DICTIONARY: u8 = 0x11;
}

/// One AMF3 value. String and class references are resolved; references to objects are kept, since following them
/// lets a few bytes stand for any amount of memory, or for a circle.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Undefined (§3.2).
    Undefined,
    /// Null (§3.3).
    Null,
    /// False and true (§3.4, §3.5).
    Boolean(bool),
    /// A signed integer of 29 bits (§3.6); a larger one is written as a double.
    Integer(i32),
    /// A double (§3.7).
    Double(f64),
    /// A string (§3.8).
    String(String),
    /// A legacy XML document, as text (§3.9).
    XmlDocument(String),
    /// A date: milliseconds since 1970-01-01 UTC (§3.10).
    Date(f64),
    /// An array: named and positional part (§3.11).
    Array {
        /// The part with names; an empty name cannot be written and is left out.
        named: Vec<(String, Value)>,
        /// The part by position.
        items: Vec<Value>,
    },
    /// An object (§3.12); sealed and dynamic members are not told apart.
    Object {
        /// The class name, empty for an anonymous object.
        class: String,
        /// The members in order.
        fields: Vec<(String, Value)>,
    },
    /// XML, as text (§3.13).
    Xml(String),
    /// Bytes (§3.14).
    ByteArray(Vec<u8>),
    /// A vector of signed integers (§3.15).
    VectorInt(Vec<i32>),
    /// A vector of unsigned integers (§3.15).
    VectorUint(Vec<u32>),
    /// A vector of doubles (§3.15).
    VectorDouble(Vec<f64>),
    /// A vector of objects (§3.15).
    VectorObject {
        /// The class name of the items, empty for any.
        class: String,
        /// The items.
        items: Vec<Value>,
    },
    /// A dictionary: keys of any type (§3.16).
    Dictionary(Vec<(Value, Value)>),
    /// A reference to the n-th object, array, date, XML, byte array, vector or dictionary (§2.2).
    Reference(u32),
}

/// Reads one value at the start of `bytes`, with tables of its own; gives the value and its length in bytes.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<(Value, usize)> {
    let mut input = crate::amf0::Input::new(bytes, limits);
    let value = decode_one(&mut input)?;
    Ok((value, input.position()))
}

impl Value {
    /// The text of a string or XML value.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) | Self::Xml(text) | Self::XmlDocument(text) => Some(text),
            _ => None,
        }
    }

    /// The number, of an integer or a double.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Integer(number) => Some(f64::from(*number)),
            Self::Double(number) => Some(*number),
            _ => None,
        }
    }

    /// The boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(boolean) => Some(*boolean),
            _ => None,
        }
    }

    /// The members of an object, or the named part of an array.
    pub fn fields(&self) -> Option<&[(String, Value)]> {
        match self {
            Self::Object { fields, .. } => Some(fields),
            Self::Array { named, .. } => Some(named),
            _ => None,
        }
    }

    /// The first member of that name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields()?.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }
}
