//! `onMetaData` for an MP4, which has none of its own.

use bytes::{Bytes, BytesMut};
use outflow_rtmp::amf0::{self, Value};

use super::track::Track;
use crate::media::Kind;

/// The body of an `onMetaData` message (FLV 10.1 "onMetaData"; FourCCs as in Enhanced RTMP). No duration: what is sent
/// is a live stream.
pub(super) fn on_metadata(tracks: &[Track]) -> Bytes {
    let mut fields: Vec<(String, Value)> = Vec::new();
    let mut number = |name: &str, value: f64| fields.push((name.to_owned(), Value::Number(value)));
    let mut stereo = None;
    for track in tracks {
        let Ok(codec) = track.codec(1) else { continue };
        if track.kind == Kind::Video {
            number("width", f64::from(codec.width));
            number("height", f64::from(codec.height));
            if let Some((frames, seconds)) = track.frames
                && seconds > 0.0
            {
                number("framerate", (f64::from(frames) / seconds * 1000.0).round() / 1000.0);
            }
            number("videocodecid", codec.id);
        } else {
            number("audiosamplerate", f64::from(codec.rate));
            number("audiosamplesize", f64::from(codec.sample_size));
            stereo = Some(codec.channels > 1);
            number("audiocodecid", codec.id);
        }
    }
    if let Some(stereo) = stereo {
        fields.push(("stereo".to_owned(), Value::Boolean(stereo)));
    }
    let mut body = BytesMut::new();
    amf0::encode_all(&[Value::String("onMetaData".to_owned()), Value::EcmaArray(fields)], &mut body);
    body.freeze()
}
