//! The test card, kept as one I420 canvas of which only what changed is drawn again.

use super::disc::Disc;
use super::strip::{Reading, Strip};
use super::text::{Glyphs, Line, Ribbon};

/// What a card shows from begin to end.
#[derive(Debug, Clone)]
pub struct CardText {
    /// Name and version.
    pub title: String,
    /// Size and rate.
    pub format: String,
    /// One line about the clock.
    pub clock: String,
    /// One line about the sound.
    pub sound: String,
    /// The banner.
    pub banner: String,
}

/// What a card shows in one frame.
#[derive(Debug, Clone)]
pub struct FrameFacts {
    /// The frame's number.
    pub number: u64,
    /// A beep begins in this frame.
    pub beep: bool,
    /// The patch round the disc is lit: from the beep's first frame to its last.
    pub lit: bool,
    /// A tenth second: the patch is lit in another colour.
    pub tenth: bool,
    /// The second, for the disc's colours.
    pub second: i64,
    /// The part of the second gone, of 65536.
    pub gone: u32,
    /// `HH:MM:SS/FF`.
    pub time: String,
    /// `YYYY-MM-DD`.
    pub date: String,
    /// How far the banner has moved, in frames.
    pub moved: u64,
}

/// A rectangle in luma pixels; even numbers, so that it covers whole chroma samples.
#[derive(Debug, Clone, Copy)]
struct Area {
    left: usize,
    top: usize,
    width: usize,
    height: usize,
}

/// A colour in limited-range BT.709.
type Color = (u8, u8, u8);

const BLACK: Color = (16, 128, 128);
const LIT: Color = (190, 128, 128);
const LIT_BLUE: Color = (190, 160, 108);
/// The bars at three quarters of full intensity.
const BARS: [Color; 8] = [
    (180, 128, 128),
    (168, 44, 136),
    (145, 147, 44),
    (133, 63, 52),
    (63, 193, 204),
    (51, 109, 212),
    (28, 212, 120),
    (16, 128, 128),
];

/// The card. Its layout is a function of the size alone.
#[derive(Debug)]
pub struct Card {
    width: usize,
    height: usize,
    canvas: Vec<u8>,
    strip: Strip,
    glyphs: Glyphs,
    number: Line,
    time: Line,
    date: Option<Line>,
    /// Whether the lines have room for their names.
    named: bool,
    disc: Disc,
    patch: Area,
    lit: Option<(bool, bool)>,
    banner: Option<Banner>,
}

#[derive(Debug)]
struct Banner {
    top: usize,
    height: usize,
    ribbon: Ribbon,
    step: usize,
    shown: Option<usize>,
}

impl Card {
    /// The card for pictures of `width` x `height` (both even, at least 32), with all that never changes. The banner
    /// crosses the picture in about ten seconds at `fps`.
    pub fn new(width: u32, height: u32, fps: f64, text: &CardText) -> Self {
        let strip = Strip::new(width, height);
        let (w, h) = (width as usize, height as usize);
        let top = (strip.height() as usize + 1) & !1;
        let (half, body) = ((w / 2) & !1, h - top);
        let named = width >= 160 && height >= 96;
        let glyphs = if named {
            Glyphs::fitting((half / 18) as u32, (body / 14) as u32)
        } else {
            Glyphs::fitting(width / 11, (body / 5) as u32)
        };
        let (cell, row) = (glyphs.width, glyphs.height);
        let mut canvas = vec![128; w * h * 3 / 2];
        if let Some(luma) = canvas.get_mut(..w * h) {
            luma.fill(BLACK.0);
        }
        let mut card = if named {
            let left = half + cell / 2;
            let cells = (w - left) / cell;
            let (above, below) = (top + row * 5 + row / 2, h - row - row / 2);
            Self {
                number: Line::new(left, top + row * 3, cells),
                time: Line::new(left, top + row * 4, cells),
                date: Some(Line::new(cell / 2, below - row * 5 / 2, half / cell)),
                patch: even(half, above, w - half, below - above),
                disc: Disc::new(w, (half + w) / 2, (above + below) / 2, (h / 4).min((below - above) / 2 - 2)),
                banner: None,
                lit: None,
                width: w,
                height: h,
                canvas,
                strip,
                named,
                glyphs,
            }
        } else {
            let below = h - 2 * row;
            Self {
                number: Line::new(0, below, w / cell),
                time: Line::new(0, below + row, w / cell),
                date: None,
                patch: even(half, top, w - half, below - top),
                disc: Disc::new(w, (half + w) / 2, (top + below) / 2, half.min(below - top) / 2),
                banner: None,
                lit: None,
                width: w,
                height: h,
                canvas,
                strip,
                named,
                glyphs,
            }
        };
        if named {
            let below = h - row - row / 2;
            card.draw_bars(even(0, top, half, below - row * 3 - top));
            for (index, line) in [&text.title, &text.format, &text.clock].into_iter().enumerate() {
                card.write(half + cell / 2, top + row * index, line);
            }
            card.write(cell / 2, below - row * 3 / 2, &text.sound);
            card.banner = Some(Banner {
                top: h - row,
                height: row,
                ribbon: card.glyphs.ribbon(&looped(&text.banner, w / cell + 1)),
                step: ((f64::from(width) / (10.0 * fps)).round() as usize).max(1),
                shown: None,
            });
        } else {
            card.draw_bars(even(0, top, half, h - 2 * row - top));
        }
        card
    }

    /// Draws a frame and gives the whole picture.
    pub fn draw(&mut self, facts: &FrameFacts) -> &[u8] {
        let (width, split) = (self.width, self.width * self.height);
        let lit = (facts.lit, facts.tenth);
        if self.lit != Some(lit) {
            self.lit = Some(lit);
            self.fill(
                self.patch,
                match lit {
                    (false, _) => BLACK,
                    (true, false) => LIT,
                    (true, true) => LIT_BLUE,
                },
            );
            self.disc.forget();
        }
        let luma = self.canvas.get_mut(..split).unwrap_or(&mut []);
        self.disc.draw(luma, facts.second, facts.gone);
        let reading = Reading { number: facts.number as u32, beep: facts.beep };
        self.strip.draw(luma, width as u32, reading);
        let (number, time) = if self.named {
            (format!("Frame: {}", facts.number), format!("Time: {}", facts.time))
        } else {
            (facts.number.to_string(), facts.time.clone())
        };
        self.number.set(luma, width, &self.glyphs, &number);
        self.time.set(luma, width, &self.glyphs, &time);
        if let Some(date) = &mut self.date {
            date.set(luma, width, &self.glyphs, &format!("UTC {}", facts.date));
        }
        if let Some(banner) = &mut self.banner {
            banner.draw(luma, width, facts.moved);
        }
        &self.canvas
    }

    fn write(&mut self, left: usize, top: usize, text: &str) {
        let cells = (self.width / 2).saturating_sub(self.glyphs.width / 2) / self.glyphs.width;
        let luma = self.canvas.get_mut(..self.width * self.height).unwrap_or(&mut []);
        Line::new(left, top, cells).set(luma, self.width, &self.glyphs, text);
    }

    /// Colour bars, and a ramp of grey under them.
    fn draw_bars(&mut self, area: Area) {
        let bars = (area.height * 3 / 4) & !1;
        for (index, color) in BARS.into_iter().enumerate() {
            let (from, to) = ((area.width * index / 8) & !1, (area.width * (index + 1) / 8) & !1);
            let bar = Area { left: area.left + from, width: to - from, ..area };
            self.fill(Area { height: bars, ..bar }, color);
            let grey = (16 + index * 219 / 7) as u8;
            self.fill(Area { top: area.top + bars, height: area.height - bars, ..bar }, (grey, 128, 128));
        }
    }

    fn fill(&mut self, area: Area, (y, u, v): Color) {
        let (stride, size) = (self.width, self.width * self.height);
        let (luma, chroma) = self.canvas.split_at_mut(size);
        let (blue, red) = chroma.split_at_mut(size / 4);
        let half = Area { left: area.left / 2, top: area.top / 2, width: area.width / 2, height: area.height / 2 };
        for (plane, stride, area, value) in
            [(luma, stride, area, y), (blue, stride / 2, half, u), (red, stride / 2, half, v)]
        {
            for row in plane.chunks_exact_mut(stride).skip(area.top).take(area.height) {
                if let Some(run) = row.get_mut(area.left..area.left + area.width) {
                    run.fill(value);
                }
            }
        }
    }
}

impl Banner {
    fn draw(&mut self, luma: &mut [u8], stride: usize, moved: u64) {
        let width = self.ribbon.width.max(1);
        let offset = (moved.wrapping_mul(self.step as u64) % width as u64) as usize;
        if self.shown == Some(offset) {
            return;
        }
        self.shown = Some(offset);
        let rows = luma.chunks_exact_mut(stride).skip(self.top).take(self.height);
        for (to, from) in rows.zip(self.ribbon.luma.chunks_exact(width)) {
            let (head, tail) = from.split_at(offset);
            let cut = tail.len().min(stride);
            let (begin, end) = to.split_at_mut(cut);
            begin.copy_from_slice(&tail[..cut]);
            let rest = end.len().min(head.len());
            end[..rest].copy_from_slice(&head[..rest]);
        }
    }
}

/// The banner's text with a gap after it, repeated until it is at least so many characters long.
fn looped(text: &str, cells: usize) -> String {
    let unit: String = text.chars().take(1000).chain("     ".chars()).collect();
    unit.repeat(cells.div_ceil(unit.chars().count()))
}

fn even(left: usize, top: usize, width: usize, height: usize) -> Area {
    let (left, top) = ((left + 1) & !1, (top + 1) & !1);
    Area { left, top, width: width & !1, height: height.saturating_sub(1) & !1 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text() -> CardText {
        CardText {
            title: "Title".into(),
            format: "240x160 @ 25 fps".into(),
            clock: "UTC locked: no".into(),
            sound: "44100 Hz".into(),
            banner: "A banner".into(),
        }
    }

    fn facts(number: u64) -> FrameFacts {
        let place = super::super::clock::Grid::media(25, 1).place(number as i64);
        FrameFacts {
            number,
            beep: place.frame == 0,
            lit: place.frame < 2,
            tenth: place.label % 10 == 0,
            second: place.second,
            gone: place.gone,
            time: format!("00:00:{:02}/{:02}", place.label % 60, place.frame),
            date: "2025-11-22".into(),
            moved: number,
        }
    }

    #[test]
    fn patching_gives_the_same_picture_as_drawing_anew() {
        for (width, height) in [(32, 32), (64, 48), (100, 200), (176, 144), (240, 160), (640, 360), (1280, 720)] {
            let mut patched = Card::new(width, height, 25.0, &text());
            for number in [0, 1, 2, 3, 24, 25, 26, 49, 50, 250, 251, 260, 4_000_000_000] {
                let mut fresh = Card::new(width, height, 25.0, &text());
                assert!(patched.draw(&facts(number)) == fresh.draw(&facts(number)), "{width}x{height}, frame {number}");
            }
        }
    }

    #[test]
    fn every_size_tells_number_and_flash() {
        for (width, height) in [(32, 32), (64, 48), (48, 64), (238, 158), (854, 480), (1920, 1080), (1080, 1920)] {
            let strip = Strip::new(width, height);
            let mut card = Card::new(width, height, 25.0, &text());
            let mut before = 0;
            for number in 0..60 {
                let picture = card.draw(&facts(number));
                assert_eq!(picture.len(), (width * height * 3 / 2) as usize);
                let reading = strip.read(picture, width as usize).unwrap();
                assert_eq!(reading, Reading { number: number as u32, beep: number % 25 == 0 });
                let luma = &picture[..(width * height) as usize];
                let mean = luma.iter().map(|luma| u64::from(*luma)).sum::<u64>() / u64::from(width * height);
                if number > 0 && number % 25 == 0 {
                    assert!(mean > before + 5, "{width}x{height}: no flash ({before} -> {mean})");
                }
                before = mean;
            }
        }
    }
}
