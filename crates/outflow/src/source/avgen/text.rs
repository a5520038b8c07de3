//! Text in the luma plane: glyphs are drawn once per size, then only the cells that changed are copied.

use embedded_graphics::mono_font::{MonoFont, MonoTextStyle, ascii};
use embedded_graphics::pixelcolor::BinaryColor;
use embedded_graphics::prelude::{DrawTarget, Drawable, OriginDimensions, Pixel, Point, Size};
use embedded_graphics::text::{Baseline, Text};

/// Luma of letters.
const INK: u8 = 235;
/// Luma around them.
const PAPER: u8 = 16;

/// The printable ASCII characters.
const FIRST: u8 = b' ';
const COUNT: u8 = 95;

static FONTS: [&MonoFont<'static>; 9] = [
    &ascii::FONT_4X6,
    &ascii::FONT_5X7,
    &ascii::FONT_5X8,
    &ascii::FONT_6X10,
    &ascii::FONT_6X13,
    &ascii::FONT_8X13,
    &ascii::FONT_9X15,
    &ascii::FONT_9X18,
    &ascii::FONT_10X20,
];

/// One font at one size.
#[derive(Debug, Clone)]
pub(super) struct Glyphs {
    /// Width of a cell in pixels.
    pub(super) width: usize,
    /// Height of a cell in pixels.
    pub(super) height: usize,
    luma: Vec<u8>,
}

impl Glyphs {
    /// The finest built-in font that, in whole multiples, makes good use of these limits for its cell; the smallest
    /// font where none fits.
    pub(super) fn fitting(width: u32, height: u32) -> Self {
        let sized = FONTS.iter().map(|font| {
            let size = font.character_size;
            let scale = (width / size.width).min(height / size.height).min(32);
            (*font, scale, scale * scale * size.width * size.height)
        });
        let largest = sized.clone().map(|(_, _, area)| area).max().unwrap_or(0);
        // A large cell made of large dots reads worse than a somewhat smaller one.
        let (font, scale, _) = sized
            .filter(|(_, scale, area)| *scale > 0 && *area * 5 >= largest * 2)
            .min_by_key(|(_, scale, area)| (*scale, u32::MAX - area))
            .unwrap_or((&ascii::FONT_4X6, 1, 0));
        Self::new(font, scale as usize)
    }

    fn new(font: &MonoFont<'_>, scale: usize) -> Self {
        let (width, height) = (font.character_size.width as usize, font.character_size.height as usize);
        let mut luma = Vec::with_capacity(usize::from(COUNT) * width * height * scale * scale);
        for code in FIRST..FIRST + COUNT {
            let mut cell = Cell { width, height, luma: vec![PAPER; width * height] };
            let letter = char::from(code).to_string();
            let style = MonoTextStyle::new(font, BinaryColor::On);
            let Ok(_) = Text::with_baseline(&letter, Point::zero(), style, Baseline::Top).draw(&mut cell);
            for row in cell.luma.chunks_exact(width) {
                let wide: Vec<u8> = row.iter().flat_map(|luma| std::iter::repeat_n(*luma, scale)).collect();
                (0..scale).for_each(|_| luma.extend_from_slice(&wide));
            }
        }
        Self { width: width * scale, height: height * scale, luma }
    }

    /// The rows of a character's cell; what is not ASCII becomes a question mark.
    fn rows(&self, letter: char) -> impl Iterator<Item = &[u8]> {
        let code = u8::try_from(letter).ok().filter(|code| (FIRST..FIRST + COUNT).contains(code)).unwrap_or(b'?');
        let size = self.width * self.height;
        let from = usize::from(code - FIRST) * size;
        self.luma.get(from..from + size).unwrap_or(&[]).chunks_exact(self.width)
    }

    /// A text as one picture, row by row, `text.len() * width` wide.
    pub(super) fn ribbon(&self, text: &str) -> Ribbon {
        let width = text.chars().count() * self.width;
        let mut luma = vec![PAPER; width * self.height];
        for (index, letter) in text.chars().enumerate() {
            self.put(&mut luma, width, (index * self.width, 0), letter);
        }
        Ribbon { width, luma }
    }

    /// Copies a cell into a plane; what lies outside is cut off.
    fn put(&self, plane: &mut [u8], stride: usize, (left, top): (usize, usize), letter: char) {
        let visible = self.width.min(stride.saturating_sub(left));
        for (row, cells) in self.rows(letter).enumerate() {
            let from = (top + row) * stride + left;
            if let (Some(to), Some(cells)) = (plane.get_mut(from..from + visible), cells.get(..visible)) {
                to.copy_from_slice(cells);
            }
        }
    }
}

/// A text drawn in one row.
#[derive(Debug, Clone)]
pub(super) struct Ribbon {
    /// Width in pixels.
    pub(super) width: usize,
    /// The rows.
    pub(super) luma: Vec<u8>,
}

/// One line of text in the picture, that knows what it shows.
#[derive(Debug, Clone)]
pub(super) struct Line {
    place: (usize, usize),
    cells: usize,
    shown: Vec<char>,
}

impl Line {
    /// A line at a place, as wide as this many characters.
    pub(super) fn new(left: usize, top: usize, cells: usize) -> Self {
        Self { place: (left, top), cells, shown: Vec::new() }
    }

    /// Shows a text: draws the cells that differ from what is shown.
    pub(super) fn set(&mut self, plane: &mut [u8], stride: usize, glyphs: &Glyphs, text: &str) {
        self.shown.resize(self.cells, ' ');
        let letters = text.chars().chain(std::iter::repeat(' '));
        for (index, (shown, letter)) in self.shown.iter_mut().zip(letters).enumerate() {
            if *shown != letter {
                *shown = letter;
                let (left, top) = self.place;
                glyphs.put(plane, stride, (left + index * glyphs.width, top), letter);
            }
        }
    }
}

/// The cell that a glyph is drawn into.
struct Cell {
    width: usize,
    height: usize,
    luma: Vec<u8>,
}

impl OriginDimensions for Cell {
    fn size(&self) -> Size {
        Size::new(self.width as u32, self.height as u32)
    }
}

impl DrawTarget for Cell {
    type Color = BinaryColor;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<BinaryColor>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(point, color) in pixels {
            let (Ok(x), Ok(y)) = (usize::try_from(point.x), usize::try_from(point.y)) else { continue };
            if x < self.width
                && let Some(luma) = self.luma.get_mut(y * self.width + x)
            {
                *luma = if color.is_on() { INK } else { PAPER };
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_follows_the_room() {
        let size = |width, height| {
            let glyphs = Glyphs::fitting(width, height);
            (glyphs.width, glyphs.height)
        };
        assert_eq!(size(6, 10), (6, 10));
        assert_eq!(size(35, 49), (20, 40));
        assert_eq!(size(1, 1), (4, 6));
    }

    #[test]
    fn only_changed_cells_are_drawn() {
        let glyphs = Glyphs::fitting(6, 10);
        let mut plane = vec![PAPER; 60 * 10];
        let mut line = Line::new(0, 0, 4);
        line.set(&mut plane, 60, &glyphs, "1234");
        assert!(plane.contains(&INK));
        plane.fill(0);
        line.set(&mut plane, 60, &glyphs, "1235");
        let touched = plane.iter().filter(|luma| **luma != 0).count();
        assert_eq!(touched, 6 * 10);
        line.set(&mut plane, 60, &glyphs, "\u{e4}");
    }

    #[test]
    fn what_does_not_fit_is_cut_off() {
        let glyphs = Glyphs::fitting(10, 20);
        let mut plane = vec![0; 15 * 10];
        Line::new(8, 5, 9).set(&mut plane, 15, &glyphs, "WWWWWWWWW");
        assert_eq!(glyphs.ribbon("ab").width, 20);
    }
}
