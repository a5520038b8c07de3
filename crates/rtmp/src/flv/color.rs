//! Colour and light of a picture: the data of a `Metadata` packet (Enhanced RTMP v2 "Metadata Frame").
use bytes::{Bytes, BytesMut};

use crate::amf0::{self, Value};
use crate::error::Result;
use crate::limits::Limits;

/// The name of the only pair that is defined.
const COLOR_INFO: &str = "colorInfo";

/// `colorInfo` (Enhanced RTMP v2 "Metadata Frame"). Each one replaces the one before as a whole; one without fields takes it back.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ColorInfo {
    /// What the numbers of a picture mean.
    pub config: ColorConfig,
    /// How bright the content is.
    pub hdr_cll: HdrCll,
    /// The screen on which it was made.
    pub hdr_mdcv: HdrMdcv,
}

/// `colorConfig` (Enhanced RTMP v2 "Metadata Frame"): indices into tables of ISO/IEC 23091-4 (ITU-T H.273); `None` if it is not said.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ColorConfig {
    /// Bits of each colour of a pixel: 8, 10 or 12.
    pub bit_depth: Option<f64>,
    /// `colorPrimaries`: 9 is BT.2020.
    pub primaries: Option<f64>,
    /// `transferCharacteristics`: 16 is PQ, 18 is HLG.
    pub transfer: Option<f64>,
    /// `matrixCoefficients`.
    pub matrix: Option<f64>,
}

/// `hdrCll`: the light of the content, in cd/m² (Enhanced RTMP v2 "Metadata Frame").
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct HdrCll {
    /// `maxFall`: the brightest average of a frame.
    pub max_fall: Option<f64>,
    /// `maxCLL`: the brightest pixel.
    pub max_cll: Option<f64>,
}

/// `hdrMdcv`: the mastering display (Enhanced RTMP v2 "Metadata Frame", SMPTE ST 2086), places as CIE 1931 x and y.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct HdrMdcv {
    /// `redX`, `redY`.
    pub red: (Option<f64>, Option<f64>),
    /// `greenX`, `greenY`.
    pub green: (Option<f64>, Option<f64>),
    /// `blueX`, `blueY`.
    pub blue: (Option<f64>, Option<f64>),
    /// `whitePointX`, `whitePointY`.
    pub white: (Option<f64>, Option<f64>),
    /// `maxLuminance`, in cd/m².
    pub max_luminance: Option<f64>,
    /// `minLuminance`, in cd/m².
    pub min_luminance: Option<f64>,
}

impl ColorInfo {
    /// Reads the payload of a `Metadata` packet, in either form of AMF: pairs of a name and a value. `None` if there is no
    /// `colorInfo` among them. Fields that are no numbers are as if they were not there.
    ///
    /// # Errors
    /// The payload is no AMF, or passes a limit.
    pub fn parse(payload: &[u8], limits: &Limits) -> Result<Option<Self>> {
        let mut values = amf0::decode_all(payload, limits)?.into_iter().map(Value::into_plain);
        while let (Some(name), Some(value)) = (values.next(), values.next()) {
            if name.as_str() == Some(COLOR_INFO) {
                return Ok(Some(Self::of(&value)));
            }
        }
        Ok(None)
    }

    fn of(value: &Value) -> Self {
        let number = |object: &str, name: &str| value.get(object)?.get_f64(name);
        let config = |name| number("colorConfig", name);
        let light = |name| number("hdrCll", name);
        let screen = |name| number("hdrMdcv", name);
        ColorInfo {
            config: ColorConfig {
                bit_depth: config("bitDepth"),
                primaries: config("colorPrimaries"),
                transfer: config("transferCharacteristics"),
                matrix: config("matrixCoefficients"),
            },
            hdr_cll: HdrCll { max_fall: light("maxFall"), max_cll: light("maxCLL") },
            hdr_mdcv: HdrMdcv {
                red: (screen("redX"), screen("redY")),
                green: (screen("greenX"), screen("greenY")),
                blue: (screen("blueX"), screen("blueY")),
                white: (screen("whitePointX"), screen("whitePointY")),
                max_luminance: screen("maxLuminance"),
                min_luminance: screen("minLuminance"),
            },
        }
    }

    /// The payload of a `Metadata` packet; what is not said is left out.
    pub fn write(&self) -> Bytes {
        let ColorInfo { config, hdr_cll, hdr_mdcv } = self;
        let config = [
            ("bitDepth", config.bit_depth),
            ("colorPrimaries", config.primaries),
            ("transferCharacteristics", config.transfer),
            ("matrixCoefficients", config.matrix),
        ];
        let light = [("maxFall", hdr_cll.max_fall), ("maxCLL", hdr_cll.max_cll)];
        let screen = [
            ("redX", hdr_mdcv.red.0),
            ("redY", hdr_mdcv.red.1),
            ("greenX", hdr_mdcv.green.0),
            ("greenY", hdr_mdcv.green.1),
            ("blueX", hdr_mdcv.blue.0),
            ("blueY", hdr_mdcv.blue.1),
            ("whitePointX", hdr_mdcv.white.0),
            ("whitePointY", hdr_mdcv.white.1),
            ("maxLuminance", hdr_mdcv.max_luminance),
            ("minLuminance", hdr_mdcv.min_luminance),
        ];
        let objects = [("colorConfig", &config[..]), ("hdrCll", &light), ("hdrMdcv", &screen)];
        let objects = objects.into_iter().filter_map(|(name, fields)| {
            let said = fields.iter().filter_map(|(name, number)| Some((*name, Value::Number((*number)?))));
            let object = Value::object(said);
            object.fields().is_some_and(|fields| !fields.is_empty()).then_some((name, object))
        });
        let mut out = BytesMut::new();
        amf0::encode_all(&[COLOR_INFO.into(), Value::object(objects)], &mut out);
        out.freeze()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn parse(payload: &[u8]) -> Option<ColorInfo> {
        ColorInfo::parse(payload, &Limits::default()).unwrap()
    }

    /// By hand: an AMF0 string, an object with one object in it (AMF 0 §2.4, §2.5), names from "Metadata Frame".
    #[test]
    fn the_bytes_of_one_field() {
        let payload = [
            &b"\x02\x00\x09colorInfo\x03\x00\x0bcolorConfig\x03\x00\x08bitDepth\x00\x40\x24"[..],
            &[0; 6],
            &[0, 0, 9, 0, 0, 9],
        ]
        .concat();
        let info = ColorInfo {
            config: ColorConfig { bit_depth: Some(10.0), ..ColorConfig::default() },
            ..ColorInfo::default()
        };
        assert_eq!(parse(&payload), Some(info));
        assert_eq!(info.write(), payload);
    }

    /// FFmpeg writes an ECMA array, others an object in AMF3; other pairs may stand before it.
    #[test]
    fn other_forms_and_other_pairs() {
        let cll = Value::EcmaArray(vec![("maxCLL".into(), 1000.0.into()), ("maxFall".into(), "much".into())]);
        let mut payload = BytesMut::new();
        amf0::encode_all(&["other".into(), 1.0.into(), "colorInfo".into()], &mut payload);
        let nested = crate::amf3::Value::Object {
            class: String::new(),
            fields: vec![(
                "hdrMdcv".into(),
                crate::amf3::Value::Object {
                    class: String::new(),
                    fields: vec![("redX".into(), crate::amf3::Value::Double(0.7))],
                },
            )],
        };
        let mut third = payload.clone();
        amf0::encode(&Value::EcmaArray(vec![("hdrCll".into(), cll)]), &mut payload);
        let light = HdrCll { max_cll: Some(1000.0), max_fall: None };
        assert_eq!(parse(&payload), Some(ColorInfo { hdr_cll: light, ..ColorInfo::default() }));
        amf0::encode(&Value::Amf3(nested), &mut third);
        let screen = HdrMdcv { red: (Some(0.7), None), ..HdrMdcv::default() };
        assert_eq!(parse(&third), Some(ColorInfo { hdr_mdcv: screen, ..ColorInfo::default() }));
        assert_eq!(parse(b"\x02\x00\x01a\x05"), None);
        assert_eq!(parse(&ColorInfo::default().write()), Some(ColorInfo::default()), "taken back");
        assert!(ColorInfo::parse(b"\x02\x00", &Limits::default()).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(numbers in prop::collection::vec(prop::option::of(-1e9..1e9f64), 16)) {
            let number = |index: usize| numbers[index];
            let info = ColorInfo {
                config: ColorConfig {
                    bit_depth: number(0), primaries: number(1), transfer: number(2), matrix: number(3),
                },
                hdr_cll: HdrCll { max_fall: number(4), max_cll: number(5) },
                hdr_mdcv: HdrMdcv {
                    red: (number(6), number(7)), green: (number(8), number(9)), blue: (number(10), number(11)),
                    white: (number(12), number(13)), max_luminance: number(14), min_luminance: number(15),
                },
            };
            prop_assert_eq!(parse(&info.write()), Some(info));
        }
    }
}
