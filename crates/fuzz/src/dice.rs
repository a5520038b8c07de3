//! Decisions out of bytes: the fuzzer changes the bytes, and a generator becomes another one.

/// Reads decisions from the front of the bytes; at their end every decision is 0.
pub struct Dice<'a> {
    bytes: &'a [u8],
}

impl<'a> Dice<'a> {
    /// Decisions from these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Dice { bytes }
    }

    /// Whether nothing is left to decide with.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.bytes.split_first().unwrap_or((&0, &[]));
        self.bytes = rest;
        *first
    }

    /// Four bytes, big-endian.
    pub fn word(&mut self) -> u32 {
        u32::from_be_bytes([(); 4].map(|()| self.byte()))
    }

    /// True one time out of `of`.
    pub fn one_in(&mut self, of: u8) -> bool {
        self.byte() % of.max(1) == 1
    }

    /// A number below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        self.byte() as usize % count.max(1)
    }

    /// One of these.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A number that is small, or near a power of two, or anything.
    pub fn number(&mut self) -> u32 {
        match self.byte() {
            small @ 0..200 => u32::from(small),
            power @ 200..232 => (1u32 << (power - 200)).wrapping_sub(1),
            power @ 232..240 => 1u32 << (power - 208),
            240 => 0xFF_FFFF,
            241 => 0xFF_FFFE,
            242 => 0x100_0000,
            243 => u32::MAX,
            _ => self.word(),
        }
    }

    /// Bytes as they stand: as many as the next byte says, and sometimes many more of one kind.
    pub fn bytes(&mut self) -> Vec<u8> {
        match self.byte() {
            length @ 0..250 => self.take(length as usize).to_vec(),
            long => vec![self.byte(); 300 << (long - 249)],
        }
    }

    /// The next `length` bytes, or what there is.
    pub fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(length.min(self.bytes.len()));
        self.bytes = rest;
        taken
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    /// Text of the next bytes.
    pub fn text(&mut self) -> String {
        let length = self.byte() as usize;
        String::from_utf8_lossy(self.take(length)).into_owned()
    }
}

/// `bytes` in pieces of at most `longest` bytes, the same for the same seed: an xorshift.
pub fn cuts(bytes: &[u8], seed: u64, longest: usize) -> impl Iterator<Item = &[u8]> {
    let (mut state, mut rest) = (seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1, bytes);
    std::iter::from_fn(move || {
        let (now, later) = rest.split_at((1 + next(&mut state) as usize % longest.max(1)).min(rest.len()));
        rest = later;
        (!now.is_empty()).then_some(now)
    })
}

/// The next number of an xorshift.
pub fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state >> 8
}
