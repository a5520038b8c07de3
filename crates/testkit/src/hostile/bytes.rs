//! Bytes of RTMP as one likes them, legal or not: neither our encoder nor any other would write most of this.

use crate::random::Random;

/// What is sent, as it grows.
#[derive(Debug, Default)]
pub struct Out {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The chunk size in use; 0 is taken as 128.
    pub chunk: usize,
}

impl Out {
    /// C0, C1 and C2, without waiting for S0.
    pub fn hello() -> Self {
        let mut bytes = vec![0; 3073];
        bytes[0] = 3;
        Self { bytes, chunk: 128 }
    }

    /// The handshake, connect, and one stream.
    pub fn open(app: &str) -> Self {
        let mut out = Self::hello();
        out.connect(app, &format!("rtmp://127.0.0.1/{app}"));
        out.command(0, "createStream", 2.0, &null());
        out
    }

    /// The same up to publish or play of this name on stream 1.
    pub fn begun(app: &str, what: &str, name: &str) -> Self {
        let mut out = Self::open(app);
        out.command(1, what, 3.0, &[null(), string(name.as_bytes()), string(b"live")].concat());
        out
    }

    /// A connect with this app and tcUrl.
    pub fn connect(&mut self, app: &str, tc_url: &str) -> &mut Self {
        let object = object(&[("app", string(app.as_bytes())), ("tcUrl", string(tc_url.as_bytes()))]);
        self.command(0, "connect", 1.0, &object)
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// A header of type 0 to 3 that says what it likes.
    pub fn header(&mut self, fmt: u8, csid: u32, time: u32, length: u32, kind: u8, stream: u32) -> &mut Self {
        match csid {
            2..64 => self.bytes.push(fmt << 6 | csid as u8),
            64..320 => self.bytes.extend([fmt << 6, (csid - 64) as u8]),
            _ => {
                self.bytes.push(fmt << 6 | 1);
                self.bytes.extend((csid.wrapping_sub(64) as u16).to_le_bytes());
            }
        }
        if fmt < 3 {
            self.bytes.extend(&time.min(0xFF_FFFF).to_be_bytes()[1..]);
        }
        if fmt < 2 {
            self.bytes.extend(&length.to_be_bytes()[1..]);
            self.bytes.push(kind);
        }
        if fmt == 0 {
            self.bytes.extend(stream.to_le_bytes());
        }
        if fmt < 3 && time >= 0xFF_FFFF {
            self.bytes.extend(time.to_be_bytes());
        }
        self
    }

    /// A whole message.
    pub fn message(&mut self, csid: u32, kind: u8, stream: u32, time: u32, body: &[u8]) -> &mut Self {
        self.header(0, csid, time, body.len() as u32, kind, stream);
        for (number, piece) in body.chunks(self.chunk.max(1)).enumerate() {
            if number > 0 {
                self.header(3, csid, time, 0, 0, 0);
                if time >= 0xFF_FFFF {
                    self.bytes.extend(time.to_be_bytes());
                }
            }
            self.bytes.extend_from_slice(piece);
        }
        self
    }

    /// A command with its transaction, and values as they are.
    pub fn command(&mut self, stream: u32, name: &str, transaction: f64, values: &[u8]) -> &mut Self {
        let body = [string(name.as_bytes()), number(transaction), values.to_vec()].concat();
        self.message(3, 20, stream, 0, &body)
    }

    /// A control message of four bytes: chunk size, acknowledgement, window ...
    pub fn control(&mut self, kind: u8, value: u32) -> &mut Self {
        self.message(2, kind, 0, 0, &value.to_be_bytes())
    }

    /// A user control message.
    pub fn user(&mut self, event: u16, rest: &[u8]) -> &mut Self {
        self.message(2, 4, 0, 0, &[&event.to_be_bytes(), rest].concat())
    }

    /// Announces a chunk size, and uses it if it can be used.
    pub fn chunk_size(&mut self, size: u32) -> &mut Self {
        self.control(1, size);
        if (1..0x100_0000).contains(&size) {
            self.chunk = size as usize;
        }
        self
    }
}

/// An AMF0 number.
pub fn number(value: f64) -> Vec<u8> {
    [&[0][..], &value.to_be_bytes()].concat()
}

/// An AMF0 string of any bytes: a long one where it must be.
pub fn string(bytes: &[u8]) -> Vec<u8> {
    match u16::try_from(bytes.len()) {
        Ok(length) => [&[2][..], &length.to_be_bytes(), bytes].concat(),
        Err(_) => [&[12][..], &(bytes.len() as u32).to_be_bytes(), bytes].concat(),
    }
}

/// AMF0 null.
pub fn null() -> Vec<u8> {
    vec![5]
}

/// An AMF0 object.
pub fn object(fields: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![3];
    for (name, value) in fields {
        bytes.extend((name.len() as u16).to_be_bytes());
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(value);
    }
    bytes.extend([0, 0, 9]);
    bytes
}

/// So many bytes of noise.
pub fn noise(random: &mut Random, length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| random.number().to_le_bytes()).collect();
    bytes.truncate(length);
    bytes
}

/// One of these.
pub fn one_of<T: Copy>(random: &mut Random, choices: &[T]) -> T {
    choices[random.below(choices.len() as u64) as usize]
}

/// One AMF0 value of any type, whole.
pub fn value(random: &mut Random, depth: u32) -> Vec<u8> {
    match random.below(if depth == 0 { 9 } else { 13 }) {
        0 => number(one_of(random, &[0.0, -1.0, 1e308, f64::NAN, f64::INFINITY, 4294967296.0])),
        1 => vec![1, random.below(3) as u8],
        2 => {
            let length = random.below(40) as usize;
            string(&noise(random, length))
        }
        3 => null(),
        4 => vec![6],
        5 => vec![7, random.number() as u8, random.number() as u8],
        6 => [&[11][..], &1e18f64.to_be_bytes(), &[0, 0]].concat(),
        7 => string(&vec![b'x'; 66_000 + random.below(1000) as usize]),
        8 => [&[15][..], &9u32.to_be_bytes(), b"<a>&e;</a>"].concat(),
        9 => object(&[("a", value(random, depth - 1)), ("", vec![9]), ("app", value(random, depth - 1))]),
        10 => {
            let count = random.below(4) as u32;
            let values = (0..count).flat_map(|_| value(random, depth - 1)).collect::<Vec<_>>();
            [&[10][..], &one_of(random, &[count, u32::MAX, 0x100_0000]).to_be_bytes(), &values].concat()
        }
        11 => [&[8][..], &u32::MAX.to_be_bytes(), &object(&[("x", value(random, depth - 1))])[1..]].concat(),
        _ => {
            let length = random.below(60) as usize;
            [&[17][..], &noise(random, length)].concat()
        }
    }
}
