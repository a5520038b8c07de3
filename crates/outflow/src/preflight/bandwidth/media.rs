//! Media of the bandwidth test: video of a given rate whose every frame says what it is, so that the far side counts
//! nothing else, knows what is missing, and how late each came.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

/// What frames begin with after the five bytes of an FLV video tag: a NAL unit of filler (type 12) that names the test.
const MARK: &[u8] = b"\x0coutflow check\x01";
/// Tag header, length of the NAL unit, mark, number and time.
const LEAST: usize = 5 + 4 + MARK.len() + 8 + 8;
/// A key frame is as large as so many others.
const KEY: f64 = 5.0;
/// Nothing that compresses: some links would.
const POOL: usize = 1 << 20;

/// What one stream of the test is like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::preflight) struct Shape {
    /// Bits per second.
    pub(super) bps: u64,
    /// Frames per second.
    pub(super) fps: f64,
    /// Frames from one key frame to the next.
    pub(super) group: u64,
}

impl Shape {
    /// As what was looked at; with what is usual where it says nothing.
    pub(in crate::preflight) fn new(bps: u64, fps: Option<f64>, key_interval: Option<f64>) -> Self {
        let fps = fps.filter(|fps| (5.0..=240.0).contains(fps)).unwrap_or(25.0);
        let group = key_interval.filter(|seconds| (0.2..=20.0).contains(seconds)).unwrap_or(2.0) * fps;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 1 to 4800
        Self { bps, fps, group: group.round().max(1.0) as u64 }
    }

    /// When the frame of this number is due.
    pub(in crate::preflight) fn due(&self, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / self.fps)
    }

    /// How many frames it takes to last so long, in whole groups.
    pub(in crate::preflight) fn whole_groups(&self, seconds: f64) -> u64 {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a few groups
        let groups = (seconds * self.fps / self.group as f64).ceil().max(1.0) as u64;
        groups * self.group
    }

    /// How many bytes that frame has.
    fn size(&self, number: u64) -> usize {
        let group = self.bps as f64 / 8.0 * self.group as f64 / self.fps;
        let unit = group / (self.group as f64 - 1.0 + KEY);
        let size = if self.is_key(number) { unit * KEY } else { unit };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // bounded
        let size = size.round().clamp(0.0, f64::from(1 << 23)) as usize;
        size.max(LEAST)
    }

    fn is_key(&self, number: u64) -> bool {
        number.is_multiple_of(self.group)
    }
}

/// Makes frames.
pub(in crate::preflight) struct Maker {
    shape: Shape,
    pool: Vec<u8>,
}

impl Maker {
    pub(in crate::preflight) fn new(shape: Shape) -> Self {
        let mut pool = vec![0; POOL];
        // Without random bytes it is compressible, which few links would notice.
        let _ = getrandom::fill(&mut pool);
        Self { shape, pool }
    }

    /// The body of the frame of this number.
    pub(in crate::preflight) fn frame(&self, number: u64) -> Bytes {
        let size = self.shape.size(number);
        let mut body = BytesMut::with_capacity(size);
        // AVC, a key frame or not, one access unit, no composition time (FLV 10.1 E.4.3).
        body.put_u8(if self.shape.is_key(number) { 0x17 } else { 0x27 });
        body.put_slice(&[1, 0, 0, 0]);
        body.put_u32(u32::try_from(size.saturating_sub(9)).unwrap_or(u32::MAX));
        body.put_slice(MARK);
        body.put_u64(number);
        body.put_u64(u64::try_from(self.shape.due(number).as_millis()).unwrap_or(u64::MAX));
        // Elsewhere in the pool each time.
        let mut place = usize::try_from(number.wrapping_mul(7919) % POOL as u64).unwrap_or(0);
        while body.len() < size {
            let rest = self.pool.get(place..).unwrap_or_default();
            let part = rest.get(..rest.len().min(size - body.len())).unwrap_or_default();
            body.put_slice(part);
            place = 0;
        }
        body.freeze()
    }
}

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Its number, from 0.
    pub(super) number: u64,
    /// When it was due, in milliseconds from the start.
    pub(super) due: u64,
}

/// Reads a body. `None` for anything that is not of a test.
pub(super) fn read(body: &[u8]) -> Option<Frame> {
    let (tag, rest) = body.split_at_checked(9)?;
    if !matches!(tag, [0x17 | 0x27, 1, 0, 0, 0, ..]) {
        return None;
    }
    let rest = rest.strip_prefix(MARK)?;
    let (number, rest) = rest.split_first_chunk::<8>()?;
    let (due, _) = rest.split_first_chunk::<8>()?;
    Some(Frame { number: u64::from_be_bytes(*number), due: u64::from_be_bytes(*due) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Instant;

    use super::*;
    use crate::media::{Kind, classify};

    #[test]
    fn frames_have_the_rate_that_was_asked_for() {
        for bps in [200_000, 6_000_000, 20_000_000] {
            for (fps, interval) in [(25.0, 2.0), (29.97, 1.0), (60.0, 4.0)] {
                let shape = Shape::new(bps, Some(fps), Some(interval));
                let groups = 10 * shape.group;
                let bytes: usize = (0..groups).map(|number| shape.size(number)).sum();
                let rate = bytes as f64 * 8.0 / shape.due(groups).as_secs_f64();
                assert!((rate / bps as f64 - 1.0).abs() < 0.001, "{rate} for {shape:?}");
            }
        }
    }

    #[test]
    fn a_frame_says_what_it_is_and_nothing_else_passes_for_one() {
        let maker = Maker::new(Shape::new(1_000_000, Some(25.0), Some(2.0)));
        for number in [0, 1, 49, 50, 1_000_000] {
            let body = maker.frame(number);
            assert_eq!(body.len(), maker.shape.size(number));
            assert_eq!(read(&body), Some(Frame { number, due: number * 40 }));
            let packet = classify::packet(Kind::Video, 0, body, Instant::now());
            assert_eq!((packet.flags.keyframe, packet.flags.header), (number % 50 == 0, false));
        }
        for body in
            [&b""[..], b"\x17\x01", b"\x17\x01\x00\x00\x00\x00\x00\x01\x00\x65 a picture of something", &[0; 64]]
        {
            assert_eq!(read(body), None);
        }
    }

    #[test]
    fn what_was_not_seen_is_as_usual() {
        assert_eq!(Shape::new(1, None, None), Shape { bps: 1, fps: 25.0, group: 50 });
        assert_eq!(Shape::new(1, Some(0.0), Some(60.0)), Shape { bps: 1, fps: 25.0, group: 50 });
        assert_eq!(Shape::new(1, Some(60.0), Some(1.0)).group, 60);
    }
}
