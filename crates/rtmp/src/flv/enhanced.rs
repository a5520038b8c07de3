//! What Enhanced RTMP audio and video headers have in common: ModEx chains, multitrack bodies.
use super::fourcc::FourCc;
use crate::error::{ErrorKind, Result};

/// More ModEx in a row are refused; the specification has one kind of them.
const MAX_MOD_EX: usize = 32;

/// How a multitrack body is laid out (Enhanced RTMP v2 `AvMultitrackType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MultitrackType {
    /// One track, its id and its body.
    OneTrack,
    /// Several tracks of one codec, each with id, size and body.
    ManyTracks,
    /// Several tracks, each with FourCC, id, size and body.
    ManyTracksManyCodecs,
}

/// Reads header fields; every shortage is the same error.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    media: &'static str,
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn new(media: &'static str, bytes: &'a [u8]) -> Self {
        Self { media, bytes, position: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn error<T>(&self, problem: &'static str) -> Result<T> {
        let kind = ErrorKind::BadMediaHeader { media: self.media, problem };
        Err(crate::Error::at(kind, self.position as u64))
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.position.saturating_add(count);
        match self.bytes.get(self.position..end) {
            Some(taken) => {
                self.position = end;
                Ok(taken)
            }
            None => self.error("it ends too early"),
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    /// Two numbers of four bits.
    pub(super) fn nibbles(&mut self) -> Result<(u8, u8)> {
        let byte = self.byte()?;
        Ok((byte >> 4, byte & 0x0F))
    }

    pub(super) fn four_cc(&mut self) -> Result<FourCc> {
        Ok(FourCc(self.array()?))
    }

    /// SI24.
    pub(super) fn signed_24(&mut self) -> Result<i32> {
        let [a, b, c] = self.array()?;
        Ok(i32::from_be_bytes([a, b, c, 0]) >> 8)
    }

    /// Passes the ModEx prefixes: the packet type behind them, and the nanoseconds to add to the timestamp.
    pub(super) fn mod_ex(&mut self, mut packet_type: u8) -> Result<(u8, u32)> {
        let mut nanoseconds = 0;
        let mut count = 0;
        while packet_type == MOD_EX {
            count += 1;
            if count > MAX_MOD_EX {
                return self.error("it has too many ModEx prefixes");
            }
            let mut size = usize::from(self.byte()?) + 1;
            if size == 256 {
                size = usize::from(u16::from_be_bytes(self.array()?)) + 1;
            }
            let data = self.take(size)?;
            let (kind, next) = self.nibbles()?;
            if let (0, [a, b, c, ..]) = (kind, data) {
                // TimestampOffsetNano: below a millisecond.
                nanoseconds = u32::from_be_bytes([0, *a, *b, *c]).min(999_999);
            }
            packet_type = next;
        }
        Ok((packet_type, nanoseconds))
    }

    /// Reads the multitrack header: layout, the packet type of all tracks, and the FourCC if it is common.
    /// `multitrack` is the packet type that brought us here and may not come again.
    pub(super) fn multitrack(&mut self, multitrack: u8) -> Result<(MultitrackType, u8, Option<FourCc>)> {
        let (layout, packet_type) = self.nibbles()?;
        let layout = match layout {
            0 => MultitrackType::OneTrack,
            1 => MultitrackType::ManyTracks,
            2 => MultitrackType::ManyTracksManyCodecs,
            _ => return self.error("its multitrack type is unknown"),
        };
        if packet_type == multitrack || packet_type == MOD_EX {
            return self.error("its tracks are of a packet type that cannot stand in a track");
        }
        let four_cc = if layout == MultitrackType::ManyTracksManyCodecs { None } else { Some(self.four_cc()?) };
        Ok((layout, packet_type, four_cc))
    }

    /// The next track of a multitrack body; `None` at its end.
    pub(super) fn track(&mut self, layout: MultitrackType, common: Option<FourCc>) -> Result<Option<RawTrack<'a>>> {
        if self.position >= self.bytes.len() {
            return Ok(None);
        }
        let four_cc = match common {
            Some(four_cc) => four_cc,
            None => self.four_cc()?,
        };
        let id = self.byte()?;
        let size = match layout {
            MultitrackType::OneTrack => self.bytes.len() - self.position,
            _ => {
                let [a, b, c] = self.array()?;
                u32::from_be_bytes([0, a, b, c]) as usize
            }
        };
        Ok(Some(RawTrack { id, four_cc, body: self.take(size)? }))
    }
}

/// ModEx, in both the audio and the video packet types.
const MOD_EX: u8 = 7;

/// One track of a multitrack body, its body not looked into.
#[derive(Debug)]
pub(super) struct RawTrack<'a> {
    pub(super) id: u8,
    pub(super) four_cc: FourCc,
    pub(super) body: &'a [u8],
}
