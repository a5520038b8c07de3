//! Tests of AMF0 reading and writing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::error::ErrorKind;
use crate::limits::Limits;
use bytes::BytesMut;
use proptest::prelude::*;

fn encoded(values: &[Value]) -> BytesMut {
    let mut out = BytesMut::new();
    encode_all(values, &mut out);
    out
}

fn decoded(bytes: &[u8]) -> Vec<Value> {
    decode_all(bytes, &Limits::default()).unwrap()
}

fn failure(bytes: &[u8]) -> ErrorKind {
    decode_all(bytes, &Limits::default()).unwrap_err().kind
}

/// One of every type.
fn every_type() -> Vec<Value> {
    vec![
        Value::Number(1.5),
        Value::Boolean(true),
        Value::from("connect"),
        Value::object([
            ("app", Value::from("live")),
            ("", Value::Null),
            ("deep", Value::object([("a", Value::from(1.0))])),
        ]),
        Value::Null,
        Value::Undefined,
        Value::Reference(3),
        Value::EcmaArray(vec![("width".into(), Value::Number(240.0))]),
        Value::StrictArray(vec![Value::from("av01"), Value::StrictArray(vec![Value::Boolean(false)])]),
        Value::Date { ms: 1e12, zone: -60 },
        Value::String("x".repeat(70_000)),
        Value::Unsupported,
        Value::Xml("<a/>".into()),
        Value::TypedObject { class: "C".into(), fields: vec![("f".into(), Value::Null)] },
        Value::Amf3(amf3::Value::String("three".into())),
    ]
}

#[test]
fn known_bytes() {
    assert_eq!(&encoded(&[Value::Number(1.0)])[..], [0, 0x3F, 0xF0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(&encoded(&[Value::from("ab")])[..], [2, 0, 2, b'a', b'b']);
    assert_eq!(&encoded(&[Value::object([("k", Value::Boolean(true))])])[..], [3, 0, 1, b'k', 1, 1, 0, 0, 9]);
    assert_eq!(&encoded(&[Value::EcmaArray(vec![])])[..], [8, 0, 0, 0, 0, 0, 0, 9]);
    assert_eq!(encoded(&[Value::String("x".repeat(65_536))])[..5], [12, 0, 1, 0, 0]);
    assert_eq!(encoded(&[Value::String("x".repeat(65_535))])[..3], [2, 0xFF, 0xFF]);
}

#[test]
fn every_type_survives() {
    assert_eq!(decoded(&encoded(&every_type())), every_type());
}

#[test]
fn every_type_cut_at_every_byte_is_no_panic() {
    for value in every_type() {
        let whole = encoded(std::slice::from_ref(&value));
        // The long string's middle is all the same.
        for cut in (0..whole.len()).filter(|cut| *cut < 200 || whole.len() - cut < 200) {
            if let Ok(values) = decode_all(&whole[..cut], &Limits::default()) {
                let open = value.fields().is_some();
                assert!(cut == 0 || open, "{value:?} cut at {cut} gave {values:?}");
            }
        }
    }
}

#[test]
fn a_missing_end_marker_at_the_end_is_accepted() {
    let expected = vec![Value::object([("k", Value::Boolean(true))])];
    for tail in [&[][..], &[0, 0], &[0, 0, 9]] {
        assert_eq!(decoded(&[&[3, 0, 1, b'k', 1, 1], tail].concat()), expected);
    }
    assert!(matches!(failure(&[3, 0, 1, b'k', 1, 1, 0]), ErrorKind::AmfTruncated { .. }));
}

#[test]
fn the_count_of_an_ecma_array_is_a_hint() {
    let bytes = [8, 0, 0, 0, 20, 0, 1, b'k', 1, 1, 0, 0, 9, 5];
    assert_eq!(decoded(&bytes), [Value::EcmaArray(vec![("k".into(), Value::Boolean(true))]), Value::Null]);
}

#[test]
fn text_that_is_not_utf8_is_taken_lossily() {
    assert_eq!(decoded(&[2, 0, 2, 0xFF, b'a']), [Value::from("\u{FFFD}a")]);
}

#[test]
fn a_huge_strict_array_of_nothing_is_cheap() {
    let error = failure(&[10, 0xFF, 0xFF, 0xFF, 0xFF]);
    assert!(matches!(error, ErrorKind::AmfTruncated { .. }), "{error}");
    let nulls = [&[10, 0xFF, 0xFF, 0xFF, 0xFF][..], &[5; 5000]].concat();
    assert_eq!(failure(&nulls), ErrorKind::AmfLimit { what: "values", limit: 4096 });
}

#[test]
fn depth_and_size_are_limited() {
    let nested = |levels: usize| [3, 0, 1, b'k'].repeat(levels);
    let deep = [nested(31), vec![3]].concat();
    assert!(decode_all(&deep, &Limits::default()).is_ok());
    let too_deep = [nested(32), vec![3]].concat();
    assert_eq!(failure(&too_deep), ErrorKind::AmfLimit { what: "levels of nesting", limit: 32 });
    let arrays = [10, 0, 0, 0, 1].repeat(50_000);
    assert_eq!(failure(&arrays), ErrorKind::AmfLimit { what: "levels of nesting", limit: 32 });
    let big = encoded(&[Value::String("x".repeat(300_000))]);
    assert_eq!(failure(&big), ErrorKind::AmfLimit { what: "bytes", limit: 262_144 });
}

#[test]
fn unknown_markers_are_errors_at_their_byte() {
    for marker in [0x04, 0x09, 0x0E, 0x12, 0xFF] {
        let error = decode_all(&[5, marker], &Limits::default()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::AmfMarker { marker, version: 0 });
        assert_eq!(error.at.offset, Some(1));
    }
}

#[test]
fn the_decoder_gives_what_is_left() {
    let limits = Limits::default();
    let mut decoder = Decoder::new(&[5, 1, 1, 7], &limits);
    assert_eq!(decoder.next_value().unwrap(), Some(Value::Null));
    assert_eq!(decoder.next_value().unwrap(), Some(Value::Boolean(true)));
    assert_eq!((decoder.position(), decoder.remaining()), (3, &[7][..]));
    assert!(decoder.next_value().is_err());
}

#[test]
fn helpers_look_through_every_container() {
    let fields = vec![("a".to_string(), Value::from("x")), ("n".to_string(), Value::from(2.0))];
    let containers = [
        Value::Object(fields.clone()),
        Value::EcmaArray(fields.clone()),
        Value::TypedObject { class: String::new(), fields },
        Value::Amf3(amf3::Value::Object {
            class: String::new(),
            fields: vec![("a".into(), amf3::Value::String("x".into())), ("n".into(), amf3::Value::Integer(2))],
        }),
    ];
    for container in containers {
        assert_eq!((container.get_str("a"), container.get_f64("n")), (Some("x"), Some(2.0)));
        assert_eq!(container.get_str("b"), None);
    }
    assert!(Value::Undefined.is_null() && !Value::Boolean(false).is_null());
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<f64>().prop_filter("NaN is not equal to itself", |n| !n.is_nan()).prop_map(Value::Number),
        any::<bool>().prop_map(Value::Boolean),
        any::<String>().prop_map(Value::String),
        Just(Value::Null),
        Just(Value::Undefined),
        Just(Value::Unsupported),
        any::<u16>().prop_map(Value::Reference),
        (-1e15..1e15, any::<i16>()).prop_map(|(ms, zone)| Value::Date { ms, zone }),
        any::<String>().prop_map(Value::Xml),
        any::<String>().prop_map(|text| Value::Amf3(amf3::Value::String(text))),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let fields = prop::collection::vec((any::<String>(), inner.clone()), 0..6);
        prop_oneof![
            fields.clone().prop_map(Value::Object),
            fields.clone().prop_map(Value::EcmaArray),
            prop::collection::vec(inner, 0..6).prop_map(Value::StrictArray),
            (any::<String>(), fields).prop_map(|(class, fields)| Value::TypedObject { class, fields }),
        ]
    })
}

proptest! {
    #[test]
    fn encode_then_decode_is_the_identity(values in prop::collection::vec(any_value(), 0..5)) {
        prop_assert_eq!(decoded(&encoded(&values)), values);
    }

    #[test]
    fn any_cut_of_any_values_is_no_panic(values in prop::collection::vec(any_value(), 1..4), cut in any::<prop::sample::Index>()) {
        let whole = encoded(&values);
        let _ = decode_all(&whole[..cut.index(whole.len() + 1)], &Limits::default());
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Err(error) = decode_all(&bytes, &Limits::default()) {
            prop_assert!(error.at.offset.unwrap() <= bytes.len() as u64);
        }
    }
}
