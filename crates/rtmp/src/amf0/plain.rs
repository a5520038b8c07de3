//! From AMF3 within AMF0 to AMF0 alone, which every peer reads.
use bytes::{Bytes, BytesMut};

use super::{Value, decode_all, encode_all};
use crate::amf3;
use crate::error::Result;
use crate::limits::Limits;

/// A payload with its AMF3 values (behind the marker 0x11, AMF 0 §3.1) as AMF0; `None` if it has none.
///
/// # Errors
/// The payload is no AMF0, or passes a limit.
pub fn plain_payload(payload: &[u8], limits: &Limits) -> Result<Option<Bytes>> {
    if !payload.contains(&super::marker::AMF3) {
        return Ok(None);
    }
    let values = decode_all(payload, limits)?;
    if !values.iter().any(has_amf3) {
        return Ok(None);
    }
    let values: Vec<Value> = values.into_iter().map(Value::into_plain).collect();
    let mut out = BytesMut::with_capacity(payload.len() * 2);
    encode_all(&values, &mut out);
    Ok(Some(out.freeze()))
}

fn has_amf3(value: &Value) -> bool {
    match value {
        Value::Amf3(_) => true,
        Value::StrictArray(items) => items.iter().any(has_amf3),
        _ => value.fields().unwrap_or_default().iter().any(|(_, value)| has_amf3(value)),
    }
}

impl Value {
    /// The same value without AMF3 in it.
    ///
    /// A byte array or a vector is an array of numbers, unsupported if it has more than 4096; an array with names an ECMA array, a dictionary an object of those of its keys
    /// that are text or numbers. References, which are kept but not followed, are null.
    #[must_use]
    pub fn into_plain(self) -> Self {
        match self {
            Self::Amf3(value) => plain(value),
            Self::Object(fields) => Self::Object(fields_of(fields, Self::into_plain)),
            Self::EcmaArray(fields) => Self::EcmaArray(fields_of(fields, Self::into_plain)),
            Self::TypedObject { class, fields } => {
                Self::TypedObject { class, fields: fields_of(fields, Self::into_plain) }
            }
            Self::StrictArray(items) => Self::StrictArray(items.into_iter().map(Self::into_plain).collect()),
            other => other,
        }
    }
}

fn fields_of<T>(fields: Vec<(String, T)>, convert: impl Fn(T) -> Value) -> Vec<(String, Value)> {
    fields.into_iter().map(|(name, value)| (name, convert(value))).collect()
}

/// Longer runs of bytes or numbers are no metadata, and each number would cost many times its size.
const MOST_NUMBERS: usize = 4096;

fn numbers<T: Into<f64>>(items: Vec<T>) -> Value {
    if items.len() > MOST_NUMBERS {
        return Value::Unsupported;
    }
    Value::StrictArray(items.into_iter().map(|item| Value::Number(item.into())).collect())
}

fn plain(value: amf3::Value) -> Value {
    use amf3::Value as V;
    match value {
        V::Undefined => Value::Undefined,
        V::Null | V::Reference(_) => Value::Null,
        V::Boolean(boolean) => Value::Boolean(boolean),
        V::Integer(number) => Value::Number(f64::from(number)),
        V::Double(number) => Value::Number(number),
        V::String(text) => Value::String(text),
        V::XmlDocument(text) | V::Xml(text) => Value::Xml(text),
        V::Date(ms) => Value::Date { ms, zone: 0 },
        V::Array { named, items } if named.is_empty() => Value::StrictArray(items.into_iter().map(plain).collect()),
        V::Array { named, items } => {
            let items = items.into_iter().enumerate().map(|(index, item)| (index.to_string(), item));
            Value::EcmaArray(fields_of(named.into_iter().chain(items).collect(), plain))
        }
        V::Object { class, fields } if class.is_empty() => Value::Object(fields_of(fields, plain)),
        V::Object { class, fields } => Value::TypedObject { class, fields: fields_of(fields, plain) },
        V::ByteArray(bytes) => numbers(bytes),
        V::VectorInt(items) => numbers(items),
        V::VectorUint(items) => numbers(items),
        V::VectorDouble(items) => numbers(items),
        V::VectorObject { items, .. } => Value::StrictArray(items.into_iter().map(plain).collect()),
        V::Dictionary(pairs) => {
            let name = |key: &V| key.as_str().map(str::to_owned).or_else(|| key.as_f64().map(|key| key.to_string()));
            let named = pairs.into_iter().filter_map(|(key, value)| Some((name(&key)?, plain(value))));
            Value::Object(named.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use amf3::Value as V;

    #[test]
    fn every_type_of_amf3_has_its_like() {
        let object = |fields| V::Object { class: String::new(), fields };
        let text = |text: &str| V::String(text.into());
        for (value, like) in [
            (V::Undefined, Value::Undefined),
            (V::Null, Value::Null),
            (V::Reference(3), Value::Null),
            (V::Boolean(true), true.into()),
            (V::Integer(-7), Value::from(-7.0)),
            (V::Double(0.5), 0.5.into()),
            (text("t"), "t".into()),
            (V::XmlDocument("x".into()), Value::Xml("x".into())),
            (V::Xml("x".into()), Value::Xml("x".into())),
            (V::Date(1.0), Value::Date { ms: 1.0, zone: 0 }),
            (V::Array { named: vec![], items: vec![V::Null] }, Value::StrictArray(vec![Value::Null])),
            (
                V::Array { named: vec![("a".into(), V::Null)], items: vec![V::Integer(1)] },
                Value::EcmaArray(vec![("a".into(), Value::Null), ("0".into(), 1.0.into())]),
            ),
            (object(vec![("o".into(), object(vec![]))]), Value::object([("o", Value::Object(vec![]))])),
            (V::Object { class: "C".into(), fields: vec![] }, Value::TypedObject { class: "C".into(), fields: vec![] }),
            (V::ByteArray(vec![0; 4097]), Value::Unsupported),
            (V::ByteArray(vec![255]), Value::StrictArray(vec![255.0.into()])),
            (V::VectorInt(vec![-1]), Value::StrictArray(vec![Value::from(-1.0)])),
            (V::VectorUint(vec![1]), Value::StrictArray(vec![1.0.into()])),
            (V::VectorDouble(vec![1.5]), Value::StrictArray(vec![1.5.into()])),
            (V::VectorObject { class: String::new(), items: vec![V::Null] }, Value::StrictArray(vec![Value::Null])),
            (
                V::Dictionary(vec![(text("k"), V::Null), (V::Integer(2), V::Null), (V::Null, V::Null)]),
                Value::object([("k", Value::Null), ("2", Value::Null)]),
            ),
        ] {
            assert_eq!(Value::Amf3(value).into_plain(), like);
        }
    }

    #[test]
    fn payloads_are_changed_only_where_there_is_amf3() {
        let limits = Limits::default();
        let payload = |values: &[Value]| {
            let mut out = BytesMut::new();
            encode_all(values, &mut out);
            out.freeze()
        };
        // 0x11 as a length is no marker.
        let text = payload(&["seventeen letters".into()]);
        assert_eq!(plain_payload(&text, &limits).unwrap(), None);
        let deep = payload(&["n".into(), Value::object([("a", Value::Amf3(V::Integer(5)))])]);
        let expected = payload(&["n".into(), Value::object([("a", Value::Number(5.0))])]);
        assert_eq!(plain_payload(&deep, &limits).unwrap(), Some(expected));
        assert!(plain_payload(&[0x11, 0x20], &limits).is_err());
    }
}
