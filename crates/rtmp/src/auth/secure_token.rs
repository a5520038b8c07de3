//! The secure token of Wowza and of servers like it, as a player: the server sends a text that is encrypted with a secret
//! that both know, and wants it back in the clear.
//!
//! It stands in no specification; this is what librtmp (`token=`) and GStreamer (`secure-token`) do. The cipher is XXTEA
//! (Wheeler and Needham, "Correction to xtea", 1998) with the first 16 bytes of the secret as its key. It keeps the secret
//! out of sight on a plain connection, and no more.
use crate::secret::Secret;

/// The property in the answer to connect that holds the encrypted text, in hexadecimal.
pub const PROPERTY: &str = "secureToken";

/// The call that gives it back.
pub const CALL: &str = "secureTokenResponse";

/// Most hexadecimal digits taken; real ones have some thirty.
const LONGEST: usize = 2048;

const DELTA: u32 = 0x9E37_79B9;

/// The text behind a server's challenge; `None` if that is not hexadecimal, or longer than any.
///
/// What is no text, since the secret is another, comes out as some text: the server refuses it.
pub fn answer(secret: &Secret, challenge: &str) -> Option<Secret> {
    if challenge.is_empty() || challenge.len() > LONGEST || !challenge.len().is_multiple_of(2) {
        return None;
    }
    let digits: Option<Vec<u8>> = challenge.chars().map(|c| u8::try_from(c.to_digit(16)?).ok()).collect();
    let bytes: Vec<u8> =
        digits?.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    let mut words = words(&bytes);
    let key = words_of_key(secret);
    decrypt(&mut words, key);
    let mut plain: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    // The last word may have been filled up.
    plain.truncate(bytes.len());
    Some(String::from_utf8_lossy(&plain).into_owned().into())
}

/// Bytes as numbers with the lowest byte first; the last is filled up with zeros.
fn words(bytes: &[u8]) -> Vec<u32> {
    let word = |part: &[u8]| part.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte));
    bytes.chunks(4).map(word).collect()
}

fn words_of_key(secret: &Secret) -> [u32; 4] {
    let mut key = [0; 4];
    let bytes = secret.expose().as_bytes();
    key.iter_mut().zip(words(bytes.get(..16).unwrap_or(bytes))).for_each(|(to, from)| *to = from);
    key
}

/// XXTEA backwards, over all words as one block.
fn decrypt(words: &mut [u32], key: [u32; 4]) {
    let count = words.len();
    let Some(rounds) = 52_u32.checked_div(u32::try_from(count).unwrap_or(u32::MAX)).map(|rounds| rounds + 6) else {
        return;
    };
    let mut sum = DELTA.wrapping_mul(rounds);
    let mut after = words.first().copied().unwrap_or_default();
    while sum != 0 {
        let turn = (sum >> 2) as usize & 3;
        for place in (0..count).rev() {
            let before = if place == 0 { count - 1 } else { place - 1 };
            let before = words.get(before).copied().unwrap_or_default();
            let part = key.get((place & 3) ^ turn).copied().unwrap_or_default();
            let mix = ((before >> 5 ^ after << 2).wrapping_add(after >> 3 ^ before << 4))
                ^ ((sum ^ after).wrapping_add(part ^ before));
            if let Some(word) = words.get_mut(place) {
                *word = word.wrapping_sub(mix);
                after = *word;
            }
        }
        sum = sum.wrapping_sub(DELTA);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn answered(secret: &str, challenge: &str) -> Option<String> {
        answer(&secret.into(), challenge).map(|text| text.expose().to_owned())
    }

    /// Made by another program from the definition of the cipher; the last is the vector of zeros that every collection has.
    #[test]
    fn texts_come_back() {
        for (secret, challenge, text) in [
            ("#ed%0#w@1", "f47e44c05b3241038bd334d1", "1487352642\0\0"),
            (
                "0123456789abcdefIGNORED",
                "9983d447caedcc386c67e76e151f48cbf9eb25b49a10f57325dc6d21998c2ab1a8e1d108",
                "outflow plays this, 36 bytes long...",
            ),
            ("k", "3e68c50ec98d17ea", "12345678"),
            ("", "ab043705808c5d57", "\0\0\0\0\0\0\0\0"),
        ] {
            assert_eq!(answered(secret, challenge).as_deref(), Some(text), "{text}");
            assert_eq!(answered(secret, &challenge.to_uppercase()).as_deref(), Some(text), "{text}");
        }
    }

    #[test]
    fn nonsense_has_no_answer() {
        for challenge in ["", "abc", "zz", "é1", &"00".repeat(LONGEST)] {
            assert_eq!(answered("secret", challenge), None, "{challenge}");
        }
        // Another secret is another text, and one word is a block too.
        assert_ne!(answered("Secret", "0011223344556677"), answered("secret", "0011223344556677"));
        assert!(answered("", "00").is_some());
    }

    proptest! {
        #[test]
        fn any_text_is_no_panic(secret in "\\PC{0,40}", challenge in "[0-9a-fA-Fg]{0,80}") {
            let _ = answered(&secret, &challenge);
        }
    }
}
