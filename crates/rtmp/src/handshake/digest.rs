//! The digests of C1, S1, C2 and S2: HMAC-SHA256 with keys that are the same in every Flash player and server.
use super::PACKET;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// C1, C2, S1 or S2.
pub(super) type Packet = [u8; PACKET];

const DIGEST: usize = 32;
/// A digest may begin at this many places.
const PLACES: u32 = 728;
const BLOCK: usize = 64;

/// The 32 bytes that end the key of either side.
const KEY_END: [u8; 32] = [
    0xF0, 0xEE, 0xC2, 0x4A, 0x80, 0x68, 0xBE, 0xE8, 0x2E, 0x00, 0xD0, 0xD1, 0x02, 0x9E, 0x7E, 0x57, 0x6E, 0xEC, 0x5D,
    0x2D, 0x29, 0x80, 0x6F, 0xAB, 0x93, 0xB8, 0xE6, 0x36, 0xCF, 0xEB, 0x31, 0xAE,
];

/// Who made a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

impl Side {
    /// Signs C1 or S1.
    fn text(self) -> &'static [u8] {
        match self {
            Self::Client => b"Genuine Adobe Flash Player 001",
            Self::Server => b"Genuine Adobe Flash Media Server 001",
        }
    }

    /// Signs C2 or S2, by way of the other side's digest.
    fn key(self) -> Vec<u8> {
        [self.text(), &KEY_END].concat()
    }
}

/// Where the digest stands: four bytes at a fixed place say how far behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// The four bytes are at 8.
    First,
    /// The four bytes are at 772.
    Second,
}

impl Schema {
    /// Offset of the digest in a packet.
    fn place(self, packet: &Packet) -> usize {
        let base = match self {
            Self::First => 8,
            Self::Second => 772,
        };
        let sum: u32 = packet.iter().skip(base).take(4).map(|byte| u32::from(*byte)).sum();
        base + 4 + (sum % PLACES) as usize
    }

    /// The bytes before, of, and after the digest.
    fn split(self, packet: &Packet) -> (&[u8], &[u8], &[u8]) {
        let (before, rest) = packet.split_at(self.place(packet));
        let (digest, after) = rest.split_at(DIGEST);
        (before, digest, after)
    }
}

/// Looks for a valid digest that `side` put into C1 or S1.
pub(super) fn find(packet: &Packet, side: Side) -> Option<(Schema, [u8; DIGEST])> {
    [Schema::First, Schema::Second].into_iter().find_map(|schema| {
        let (before, found, after) = schema.split(packet);
        let digest = hmac(side.text(), &[before, after]);
        (found == digest).then_some((schema, digest))
    })
}

/// Puts the digest into C1 or S1.
pub(super) fn sign(packet: &mut Packet, schema: Schema, side: Side) {
    let (before, _, after) = schema.split(packet);
    let digest = hmac(side.text(), &[before, after]);
    let place = schema.place(packet);
    packet.iter_mut().skip(place).zip(digest).for_each(|(byte, digest)| *byte = digest);
}

/// C2 or S2 in answer to a packet whose digest is `digest`: its bytes, with a signature of `side` as the last 32.
pub(super) fn response(packet: &Packet, digest: &[u8; DIGEST], side: Side) -> Packet {
    let mut response = *packet;
    let (body, signature) = response.split_at_mut(PACKET - DIGEST);
    signature.copy_from_slice(&hmac(&hmac(&side.key(), &[digest]), &[body]));
    response
}

/// HMAC-SHA256 of the parts after each other (RFC 2104).
fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; DIGEST] {
    let mut block = [0; BLOCK];
    match block.get_mut(..key.len()) {
        Some(start) => start.copy_from_slice(key),
        // A key longer than a block is replaced by its hash.
        None => block[..DIGEST].copy_from_slice(&Sha256::digest(key)),
    }
    let mut mac = Hmac::<Sha256>::new(&block.into());
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
pub(super) fn is_response(packet: &Packet, digest: &[u8; DIGEST], side: Side) -> bool {
    response(packet, digest, side) == *packet
}
