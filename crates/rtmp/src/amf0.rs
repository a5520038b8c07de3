//! AMF0: the values of commands and metadata (Adobe "Action Message Format -- AMF 0").
//!
//! Reading is lenient where real peers are sloppy: text that is not UTF-8 is taken lossily, the count of an ECMA array
//! is only a hint, and a container may end with the message instead of its end marker. Everything else that does not
//! fit is an error with its byte offset, and [`Limits`](crate::Limits) bound depth, number and size.
mod decode;
mod encode;
mod plain;
#[cfg(test)]
mod tests;

pub(crate) use decode::Input;
pub use decode::{Decoder, decode_all};
pub use encode::{encode, encode_all};
pub use plain::plain_payload;

use crate::amf3;

/// The type markers (AMF 0 §2.1).
pub(crate) mod marker {
    pub(crate) const NUMBER: u8 = 0x00;
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const STRING: u8 = 0x02;
    pub(crate) const OBJECT: u8 = 0x03;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const UNDEFINED: u8 = 0x06;
    pub(crate) const REFERENCE: u8 = 0x07;
    pub(crate) const ECMA_ARRAY: u8 = 0x08;
    pub(crate) const OBJECT_END: u8 = 0x09;
    pub(crate) const STRICT_ARRAY: u8 = 0x0A;
    pub(crate) const DATE: u8 = 0x0B;
    pub(crate) const LONG_STRING: u8 = 0x0C;
    pub(crate) const UNSUPPORTED: u8 = 0x0D;
    pub(crate) const XML: u8 = 0x0F;
    pub(crate) const TYPED_OBJECT: u8 = 0x10;
    pub(crate) const AMF3: u8 = 0x11;
}

/// One AMF0 value. Containers keep the order of their fields and repeated names.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number (§2.2); the only number type there is.
    Number(f64),
    /// A boolean (§2.3).
    Boolean(bool),
    /// A string or long string (§2.4, §2.14); written long when it needs to be.
    String(String),
    /// An anonymous object (§2.5).
    Object(Vec<(String, Value)>),
    /// Null (§2.7).
    Null,
    /// Undefined (§2.8).
    Undefined,
    /// A reference to the n-th complex value of the message (§2.9); kept, not followed.
    Reference(u16),
    /// An associative array (§2.10). Peers use it and [`Value::Object`] for the same things.
    EcmaArray(Vec<(String, Value)>),
    /// An array by position (§2.12).
    StrictArray(Vec<Value>),
    /// A date (§2.13).
    Date {
        /// Milliseconds since 1970-01-01 UTC.
        ms: f64,
        /// Reserved for a time zone, 0.
        zone: i16,
    },
    /// "Unsupported" (§2.15).
    Unsupported,
    /// An XML document, as text, not read any further (§2.17).
    Xml(String),
    /// An object of a named class (§2.18).
    TypedObject {
        /// The class name.
        class: String,
        /// The fields.
        fields: Vec<(String, Value)>,
    },
    /// A value in AMF3 (marker 0x11, §3.1).
    Amf3(amf3::Value),
}

impl Value {
    /// An object of the given fields.
    pub fn object<K: Into<String>>(fields: impl IntoIterator<Item = (K, Value)>) -> Self {
        Self::Object(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// The text of a string (AMF0 or AMF3) or XML document.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) | Self::Xml(text) => Some(text),
            Self::Amf3(value) => value.as_str(),
            _ => None,
        }
    }

    /// The number, of AMF0 or AMF3; may be NaN or infinite.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Amf3(value) => value.as_f64(),
            _ => None,
        }
    }

    /// The boolean.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(boolean) => Some(*boolean),
            Self::Amf3(value) => value.as_bool(),
            _ => None,
        }
    }

    /// Null, undefined, or their AMF3 forms.
    pub fn is_null(&self) -> bool {
        matches!(
            self,
            Self::Null | Self::Undefined | Self::Amf3(amf3::Value::Null) | Self::Amf3(amf3::Value::Undefined)
        )
    }

    /// The fields of an object, ECMA array or typed object; `None` for everything else, AMF3 objects included
    /// ([`Value::get_str`] and [`Value::get_f64`] do look into those, and [`Value::into_plain`] makes AMF0 of them).
    pub fn fields(&self) -> Option<&[(String, Value)]> {
        match self {
            Self::Object(fields) | Self::EcmaArray(fields) | Self::TypedObject { fields, .. } => Some(fields),
            _ => None,
        }
    }

    /// The items of a strict array.
    pub fn items(&self) -> Option<&[Value]> {
        match self {
            Self::StrictArray(items) => Some(items),
            _ => None,
        }
    }

    /// The first field of that name in an object, ECMA array or typed object.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.fields()?.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    /// The first field of that name as text, in an AMF0 container or an AMF3 object.
    pub fn get_str(&self, name: &str) -> Option<&str> {
        match self {
            Self::Amf3(value) => value.get(name)?.as_str(),
            _ => self.get(name)?.as_str(),
        }
    }

    /// The first field of that name as a number, in an AMF0 container or an AMF3 object.
    pub fn get_f64(&self, name: &str) -> Option<f64> {
        match self {
            Self::Amf3(value) => value.get(name)?.as_f64(),
            _ => self.get(name)?.as_f64(),
        }
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(boolean: bool) -> Self {
        Self::Boolean(boolean)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}
