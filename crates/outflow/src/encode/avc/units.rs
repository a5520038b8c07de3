//! The NAL units of one coded picture, and the FLV bodies made of them.

use bytes::{BufMut, Bytes, BytesMut};
use openh264::encoder::EncodedBitStream;

/// The NAL units of one picture, without start codes.
#[derive(Debug, Default)]
pub(super) struct Coded {
    sps: Option<Vec<u8>>,
    pps: Option<Vec<u8>>,
    pub(super) slices: Vec<Vec<u8>>,
    pub(super) key: bool,
}

impl Coded {
    pub(super) fn from(stream: &EncodedBitStream<'_>) -> Self {
        let mut coded = Self::default();
        for layer in (0..stream.num_layers()).filter_map(|index| stream.layer(index)) {
            for unit in (0..layer.nal_count()).filter_map(|index| layer.nal_unit(index)) {
                coded.take(without_start_code(unit));
            }
        }
        coded
    }

    /// Parameter sets travel in the sequence header only (ISO/IEC 14496-15, 5.3.3).
    fn take(&mut self, unit: &[u8]) {
        match unit.first().map(|byte| byte & 31) {
            Some(7) => self.sps = Some(unit.to_vec()),
            Some(8) => self.pps = Some(unit.to_vec()),
            Some(kind) => {
                self.key |= kind == 5;
                self.slices.push(unit.to_vec());
            }
            None => {}
        }
    }

    /// The FLV body with the AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1), where this picture brings
    /// parameter sets.
    pub(super) fn sequence_header(&self) -> Option<Bytes> {
        let (sps, pps) = (self.sps.as_ref()?, self.pps.as_ref()?);
        let [_, profile, compatibility, level, ..] = sps[..] else { return None };
        let mut body = BytesMut::with_capacity(24 + sps.len() + pps.len());
        body.put_slice(&[0x17, 0, 0, 0, 0, 1, profile, compatibility, level, 0xff, 0xe1]);
        body.put_u16(u16::try_from(sps.len()).ok()?);
        body.put_slice(sps);
        body.put_u8(1);
        body.put_u16(u16::try_from(pps.len()).ok()?);
        body.put_slice(pps);
        if !matches!(profile, 66 | 77 | 88) {
            // 4:2:0, 8 bits each, no SPS extension.
            body.put_slice(&[0xfd, 0xf8, 0xf8, 0]);
        }
        Some(body.freeze())
    }

    /// The FLV body of the picture: NAL units behind 4-byte lengths, composition time 0.
    pub(super) fn body(&self) -> Bytes {
        let size = 5 + self.slices.iter().map(|unit| 4 + unit.len()).sum::<usize>();
        let mut body = BytesMut::with_capacity(size);
        body.put_slice(&[if self.key { 0x17 } else { 0x27 }, 1, 0, 0, 0]);
        for unit in &self.slices {
            body.put_u32(u32::try_from(unit.len()).unwrap_or(0));
            body.put_slice(unit);
        }
        body.freeze()
    }
}

/// Cuts off `00 00 01` or `00 00 00 01` (ITU-T H.264 Annex B).
fn without_start_code(unit: &[u8]) -> &[u8] {
    unit.strip_prefix(&[0, 0, 0, 1]).or_else(|| unit.strip_prefix(&[0, 0, 1])).unwrap_or(unit)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn bodies_of_a_key_frame() {
        let mut coded = Coded::default();
        for unit in [&[0, 0, 0, 1, 0x67, 77, 0, 12, 9][..], &[0, 0, 1, 0x68, 5], &[0, 0, 0, 1, 0x65, 1, 2]] {
            coded.take(without_start_code(unit));
        }
        assert!(coded.key);
        assert_eq!(coded.body()[..], [0x17, 1, 0, 0, 0, 0, 0, 0, 3, 0x65, 1, 2]);
        let header = coded.sequence_header().unwrap();
        assert_eq!(header[..11], [0x17, 0, 0, 0, 0, 1, 77, 0, 12, 0xff, 0xe1]);
        assert_eq!(header[11..], [0, 5, 0x67, 77, 0, 12, 9, 1, 0, 2, 0x68, 5]);
    }

    #[test]
    fn other_frames_bring_no_header() {
        let mut coded = Coded::default();
        coded.take(&[0x41, 7]);
        assert_eq!(coded.body()[..], [0x27, 1, 0, 0, 0, 0, 0, 0, 2, 0x41, 7]);
        assert!(coded.sequence_header().is_none());
    }
}
