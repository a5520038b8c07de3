//! The strip of black and white blocks that carries a picture's frame number, and reading it back.
//!
//! The strip begins at the top left corner and is [`BLOCKS`] square blocks long, left to right, wrapped to as many rows
//! as the width asks for. White is luma 235, black luma 16.
//!
//! | block | meaning |
//! |---|---|
//! | 0 | white, always: the level of a one |
//! | 1 | black, always: the level of a zero |
//! | 2..=33 | the frame number modulo 2^32, most significant bit first |
//! | 34 | one: a beep begins in this frame |
//! | 35..=38 | check: the exclusive or of the number's eight nibbles, inverted where block 34 is one |
//! | 39 | white, always |

/// Blocks in a strip.
pub const BLOCKS: u32 = 40;

/// Luma of a one.
const WHITE: u8 = 235;
/// Luma of a zero.
const BLACK: u8 = 16;

/// Where the strip stands in a picture of some size: a function of the size alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strip {
    /// The side of a block in luma pixels.
    pub block: u32,
    /// Blocks in a full row.
    pub columns: u32,
    /// Rows.
    pub rows: u32,
}

/// What a strip says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The frame number modulo 2^32.
    pub number: u32,
    /// Whether a beep begins in this frame.
    pub beep: bool,
}

impl Strip {
    /// The strip of pictures of this size: blocks of `width / 40` rounded down to a multiple of 8, at least 8; halved
    /// until the strip takes no more than a third of the height.
    pub fn new(width: u32, height: u32) -> Self {
        let mut block = (width / BLOCKS / 8 * 8).max(8);
        loop {
            let columns = (width / block).clamp(1, BLOCKS);
            let rows = BLOCKS.div_ceil(columns);
            if rows * block <= height / 3 || block <= 2 {
                return Self { block, columns, rows };
            }
            block /= 2;
        }
    }

    /// Its height in luma pixels.
    pub fn height(&self) -> u32 {
        self.rows * self.block
    }

    /// Draws it into the luma plane of a picture of the size given to [`Strip::new`].
    pub fn draw(&self, luma: &mut [u8], width: u32, reading: Reading) {
        let bits = bits(reading);
        for (index, bit) in (0..BLOCKS).zip(bits) {
            let (left, top) = self.place(index);
            for y in top..top + self.block {
                let from = (y * width + left) as usize;
                if let Some(run) = luma.get_mut(from..from + self.block as usize) {
                    run.fill(if bit { WHITE } else { BLACK });
                }
            }
        }
    }

    /// Reads it from a decoded luma plane, `stride` bytes a row; nothing where it is damaged beyond reading.
    pub fn read(&self, luma: &[u8], stride: usize) -> Option<Reading> {
        let mut means = [0u32; BLOCKS as usize];
        for (index, mean) in (0..BLOCKS).zip(&mut means) {
            *mean = self.mean(luma, stride, index)?;
        }
        let [white, black, ..] = means;
        if white < black + 60 {
            return None;
        }
        let level = u32::midpoint(white, black);
        let mut number = 0u32;
        for mean in means.get(2..34)? {
            number = number << 1 | u32::from(*mean > level);
        }
        let reading = Reading { number, beep: *means.get(34)? > level };
        means.iter().zip(bits(reading)).all(|(mean, bit)| (*mean > level) == bit).then_some(reading)
    }

    /// The mean luma of the inner part of a block, where the codec's blurred edges don't reach.
    fn mean(&self, luma: &[u8], stride: usize, index: u32) -> Option<u32> {
        let (left, top) = self.place(index);
        let edge = self.block / 4;
        let side = self.block - 2 * edge;
        let mut sum = 0u32;
        for y in top + edge..top + edge + side {
            let from = y as usize * stride + (left + edge) as usize;
            sum += luma.get(from..from + side as usize)?.iter().map(|luma| u32::from(*luma)).sum::<u32>();
        }
        Some(sum / (side * side))
    }

    fn place(&self, index: u32) -> (u32, u32) {
        (index % self.columns * self.block, index / self.columns * self.block)
    }
}

/// The colour of every block.
fn bits(reading: Reading) -> [bool; BLOCKS as usize] {
    let nibbles = (0..8).fold(0, |check, nibble| check ^ (reading.number >> (4 * nibble) & 15));
    let check = if reading.beep { !nibbles & 15 } else { nibbles };
    std::array::from_fn(|index| match index {
        0 | 39 => true,
        2..=33 => reading.number >> (33 - index) & 1 == 1,
        34 => reading.beep,
        35..=38 => check >> (38 - index) & 1 == 1,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const SIZES: [(u32, u32); 9] =
        [(32, 32), (64, 48), (128, 96), (160, 120), (240, 160), (320, 240), (640, 360), (1280, 720), (1920, 1080)];

    #[test]
    fn every_size_has_room_for_it() {
        for (width, height) in SIZES {
            let strip = Strip::new(width, height);
            assert!(strip.columns * strip.block <= width, "{width}x{height}");
            assert!(strip.columns * strip.rows >= BLOCKS);
            assert!(strip.height() <= height / 3, "{width}x{height}: {strip:?}");
        }
        assert_eq!(Strip::new(240, 160), Strip { block: 8, columns: 30, rows: 2 });
        assert_eq!(Strip::new(1280, 720), Strip { block: 32, columns: 40, rows: 1 });
        assert_eq!(Strip::new(64, 48).block, 4);
    }

    #[test]
    fn what_was_drawn_is_read() {
        for (width, height) in SIZES {
            let strip = Strip::new(width, height);
            let mut luma = vec![90; (width * height) as usize];
            for number in [0, 1, 2, 0x1234_5678, 0xffff_fffe, u32::MAX] {
                for beep in [false, true] {
                    let reading = Reading { number, beep };
                    strip.draw(&mut luma, width, reading);
                    assert_eq!(strip.read(&luma, width as usize), Some(reading), "{width}x{height}");
                }
            }
        }
    }

    #[test]
    fn damage_is_noticed() {
        let strip = Strip::new(240, 160);
        let mut luma = vec![16; 240 * 160];
        assert_eq!(strip.read(&luma, 240), None);
        strip.draw(&mut luma, 240, Reading { number: 77, beep: false });
        assert_eq!(strip.read(&luma[..240 * 10], 240), None);
        // One block turned round.
        for row in 0..8 {
            let run = &mut luma[row * 240 + 20 * 8..row * 240 + 21 * 8];
            run.iter_mut().for_each(|luma| *luma = 251 - *luma);
        }
        assert_eq!(strip.read(&luma, 240), None);
    }

    #[test]
    fn noise_of_a_codec_does_no_harm() {
        let strip = Strip::new(240, 160);
        let mut luma = vec![16; 240 * 160];
        let reading = Reading { number: 123_456, beep: true };
        strip.draw(&mut luma, 240, reading);
        for (index, luma) in luma.iter_mut().enumerate() {
            *luma = luma.saturating_add((index * 37 % 61) as u8).saturating_sub((index * 53 % 47) as u8);
        }
        assert_eq!(strip.read(&luma, 240), Some(reading));
    }
}
