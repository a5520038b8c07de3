//! Tests of AMF3 reading and writing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::error::ErrorKind;
use bytes::BytesMut;
use proptest::prelude::*;

fn encoded(value: &Value) -> BytesMut {
    let mut out = BytesMut::new();
    encode(value, &mut out);
    out
}

fn decoded(bytes: &[u8]) -> Value {
    let (value, length) = decode(bytes, &Limits::default()).unwrap();
    assert_eq!(length, bytes.len());
    value
}

fn failure(bytes: &[u8]) -> ErrorKind {
    decode(bytes, &Limits::default()).unwrap_err().kind
}

#[test]
fn integers_have_29_signed_bits() {
    for (number, bytes) in [
        (0, &[4, 0][..]),
        (127, &[4, 0x7F]),
        (128, &[4, 0x81, 0]),
        (16_383, &[4, 0xFF, 0x7F]),
        (16_384, &[4, 0x81, 0x80, 0]),
        (2_097_151, &[4, 0xFF, 0xFF, 0x7F]),
        (2_097_152, &[4, 0x80, 0xC0, 0x80, 0]),
        (268_435_455, &[4, 0xBF, 0xFF, 0xFF, 0xFF]),
        (-1, &[4, 0xFF, 0xFF, 0xFF, 0xFF]),
        (-268_435_456, &[4, 0xC0, 0x80, 0x80, 0]),
    ] {
        assert_eq!(&encoded(&Value::Integer(number))[..], bytes, "{number}");
        assert_eq!(decoded(bytes), Value::Integer(number));
    }
    assert_eq!(decoded(&encoded(&Value::Integer(i32::MAX))), Value::Double(f64::from(i32::MAX)));
}

#[test]
fn strings_and_classes_are_resolved_and_objects_kept_as_references() {
    // An array of: an object {a: "a"} of class "C", another of the same class, the first one again.
    let bytes = [9, 7, 1, 0x0A, 0b1_0011, 3, b'C', 3, b'a', 6, 2, 0x0A, 0b0001, 6, 0, 0x0A, 2];
    let object =
        |text: &str| Value::Object { class: "C".into(), fields: vec![("a".into(), Value::String(text.into()))] };
    assert_eq!(
        decoded(&bytes),
        Value::Array { named: vec![], items: vec![object("a"), object("C"), Value::Reference(1)] }
    );
}

#[test]
fn dynamic_members_follow_sealed_ones() {
    let bytes = [0x0A, 0b1_1011, 1, 3, b's', 3, 3, b'd', 2, 1];
    let fields = vec![("s".into(), Value::Boolean(true)), ("d".into(), Value::Boolean(false))];
    assert_eq!(decoded(&bytes), Value::Object { class: String::new(), fields });
}

#[test]
fn references_out_of_range_are_errors() {
    assert_eq!(failure(&[6, 0]), ErrorKind::AmfReference { version: 3, what: "string", index: 0, known: 0 });
    assert_eq!(failure(&[9, 4]), ErrorKind::AmfReference { version: 3, what: "object", index: 2, known: 0 });
    assert_eq!(failure(&[0x0A, 0b101]), ErrorKind::AmfReference { version: 3, what: "class", index: 1, known: 0 });
}

#[test]
fn externalizable_classes_and_unknown_markers_are_errors() {
    assert_eq!(failure(&[0x0A, 7, 3, b'C']), ErrorKind::AmfExternalizable);
    assert_eq!(failure(&[0x12]), ErrorKind::AmfMarker { marker: 0x12, version: 3 });
}

#[test]
fn few_bytes_cannot_stand_for_much_memory() {
    // A string of 10000 bytes, then 2000 references to it.
    let long = [&[9, 0x9F, 0x21, 1, 6, 0x81, 0x9C, 0x21][..], &[b'x'; 10_000], &[6, 0].repeat(2000)].concat();
    assert_eq!(failure(&long), ErrorKind::AmfLimit { what: "bytes", limit: 262_144 });
    // A class of 2^25 - 1 names that are not there.
    assert!(matches!(failure(&[0x0A, 0xFF, 0xFF, 0xFF, 0xF3, 1]), ErrorKind::AmfTruncated { .. }));
    let arrays = [9, 3, 1].repeat(10_000);
    assert_eq!(failure(&arrays), ErrorKind::AmfLimit { what: "levels of nesting", limit: 32 });
}

/// Found by a fuzzer: a byte array at the last level was taken, and was one level too many once it was plain AMF0.
#[test]
fn what_is_read_can_be_read_again_once_it_is_plain() {
    for leaf in
        [&[0x0C, 3, 7][..], &[0x0D, 3, 0, 0, 0, 0, 1], &[0x0E, 3, 0, 0, 0, 0, 1], &[0x0F, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
    {
        let nested = |levels: usize| [&[9, 3, 1].repeat(levels)[..], leaf].concat();
        assert_eq!(failure(&nested(32)), ErrorKind::AmfLimit { what: "levels of nesting", limit: 32 });
        let value = decode(&nested(31), &Limits::default()).unwrap().0;
        let mut plain = bytes::BytesMut::new();
        crate::amf0::encode_all(&[crate::amf0::Value::Amf3(value).into_plain()], &mut plain);
        assert_eq!(crate::amf0::plain_payload(&plain, &Limits::default()), Ok(None));
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let number = || any::<f64>().prop_filter("NaN is not equal to itself", |n| !n.is_nan());
    let leaf = prop_oneof![
        Just(Value::Undefined),
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        (-(1i32 << 28)..1 << 28).prop_map(Value::Integer),
        number().prop_map(Value::Double),
        any::<String>().prop_map(Value::String),
        any::<String>().prop_map(Value::XmlDocument),
        any::<String>().prop_map(Value::Xml),
        number().prop_map(Value::Date),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(Value::ByteArray),
        prop::collection::vec(any::<i32>(), 0..5).prop_map(Value::VectorInt),
        prop::collection::vec(any::<u32>(), 0..5).prop_map(Value::VectorUint),
        prop::collection::vec(number(), 0..5).prop_map(Value::VectorDouble),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..6);
        let fields = prop::collection::vec((".+", inner.clone()), 0..6);
        prop_oneof![
            (fields.clone(), items.clone()).prop_map(|(named, items)| Value::Array { named, items }),
            (any::<String>(), fields).prop_map(|(class, fields)| Value::Object { class, fields }),
            (any::<String>(), items).prop_map(|(class, items)| Value::VectorObject { class, items }),
            prop::collection::vec((inner.clone(), inner), 0..4).prop_map(Value::Dictionary),
        ]
    })
}

proptest! {
    #[test]
    fn encode_then_decode_is_the_identity(value in any_value()) {
        prop_assert_eq!(decoded(&encoded(&value)), value);
    }

    #[test]
    fn every_cut_is_no_panic(value in any_value()) {
        let whole = encoded(&value);
        for cut in 0..whole.len() {
            let _ = decode(&whole[..cut], &Limits::default());
        }
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..0x12], 0..300)) {
        let _ = decode(&bytes, &Limits::default());
    }
}
