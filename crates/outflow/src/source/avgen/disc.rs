//! The disc that fills like a pie over each second, and swaps its two colours with the next.

/// Luma of the two colours.
const COLORS: [u8; 2] = [235, 110];

/// A disc, as the list of its pixels in the order in which they are filled: each is drawn once a second.
#[derive(Debug)]
pub(super) struct Disc {
    /// Offsets in the luma plane, clockwise from the top.
    pixels: Vec<u32>,
    /// The second and the number of pixels filled; nothing while the disc has to be drawn anew.
    shown: Option<(i64, usize)>,
}

impl Disc {
    /// A disc in a plane of `stride` bytes a row; all of it must lie within the plane.
    pub(super) fn new(stride: usize, x: usize, y: usize, radius: usize) -> Self {
        let r = radius as i64;
        let mut pixels: Vec<(f64, u32)> = Vec::new();
        for dy in -r..r {
            for dx in -r..r {
                // Pixel centres, in halves of a pixel.
                let (px, py) = (2 * dx + 1, 2 * dy + 1);
                if px * px + py * py <= 4 * r * r {
                    let offset = (y as i64 + dy) * stride as i64 + x as i64 + dx;
                    let angle = (px as f64).atan2(-py as f64).rem_euclid(std::f64::consts::TAU);
                    pixels.push((angle, u32::try_from(offset).unwrap_or(u32::MAX)));
                }
            }
        }
        pixels.sort_by(|a, b| a.0.total_cmp(&b.0));
        Self { pixels: pixels.into_iter().map(|(_, offset)| offset).collect(), shown: None }
    }

    /// Tells that the disc was painted over.
    pub(super) fn forget(&mut self) {
        self.shown = None;
    }

    /// Shows the part `gone` / 65536 of a second.
    pub(super) fn draw(&mut self, luma: &mut [u8], second: i64, gone: u32) {
        let filled = (self.pixels.len() as u64 * u64::from(gone.min(65_536)) / 65_536) as usize;
        let (new, old) = if second.rem_euclid(2) == 0 { (0, 1) } else { (1, 0) };
        let from = match self.shown {
            Some((shown, from)) if shown == second && from <= filled => from,
            _ => {
                paint(luma, self.pixels.get(filled..), COLORS[old]);
                0
            }
        };
        paint(luma, self.pixels.get(from..filled), COLORS[new]);
        self.shown = Some((second, filled));
    }
}

fn paint(luma: &mut [u8], pixels: Option<&[u32]>, color: u8) {
    for offset in pixels.unwrap_or(&[]) {
        if let Some(pixel) = luma.get_mut(*offset as usize) {
            *pixel = color;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_fills_clockwise_from_the_top() {
        let mut disc = Disc::new(40, 20, 20, 16);
        let mut luma = vec![0; 1600];
        disc.draw(&mut luma, 0, 16_384);
        let at = |luma: &[u8], x: usize, y: usize| luma[y * 40 + x];
        assert_eq!([at(&luma, 26, 14), at(&luma, 26, 26), at(&luma, 14, 26), at(&luma, 14, 14)], [235, 110, 110, 110]);
        disc.draw(&mut luma, 0, 49_152);
        assert_eq!([at(&luma, 26, 14), at(&luma, 26, 26), at(&luma, 14, 26), at(&luma, 14, 14)], [235, 235, 235, 110]);
        disc.draw(&mut luma, 1, 16_384);
        assert_eq!([at(&luma, 26, 14), at(&luma, 26, 26), at(&luma, 14, 26), at(&luma, 14, 14)], [110, 235, 235, 235]);
        assert_eq!([at(&luma, 2, 2), at(&luma, 38, 38)], [0, 0]);
    }
}
