//! Media messages as the sessions give them out.
use bytes::Buf;

use crate::amf0;
use crate::limits::Limits;
use crate::message::{Message, kind};

/// Data in AMF0 form, whatever it came in; `None` for what carries nothing: video and data without a byte. Audio
/// without a byte is silence and is kept.
pub(super) fn normalise(mut message: Message, limits: &Limits) -> Option<Message> {
    if message.kind == kind::DATA_AMF3 {
        // Enhanced RTMP v2, "AMF3": a format byte, then AMF0 values, none of which starts with 0 where a name stands.
        if message.payload.first() == Some(&0) {
            message.payload.advance(1);
        }
        // Values in AMF3 would be read by nobody. What cannot be read here either is passed on as it is.
        if let Ok(Some(plain)) = amf0::plain_payload(&message.payload, limits) {
            message.payload = plain;
        }
        message.kind = kind::DATA;
    }
    (message.kind == kind::AUDIO || !message.payload.is_empty()).then_some(message)
}
