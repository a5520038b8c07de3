//! Small changes to an input, for runs without a fuzzing engine. Without coverage it finds what is near the corpus.
use crate::dice::next;

/// Bytes and numbers that mean something to some format here.
const TELLING: &[&[u8]] = &[
    &[0],
    &[0xFF],
    &[0x7F],
    &[0x80],
    &[0, 0, 9],
    &[0xFF, 0xFF, 0xFF],
    &[0, 0, 0, 0],
    &[0xFF, 0xFF, 0xFF, 0xFF],
    &[0x11],
    &[0x10, 0],
    &[0x97],
    &[0x90],
    &[0x95],
    &[0x96],
    &[0xC3],
    &[0, 0, 0, 1],
    b"avc1",
    b"mp4a",
    b":",
    b"@",
    b"/",
    b"?",
];

/// Changes `input` in one to four places.
pub fn mutate(input: &mut Vec<u8>, state: &mut u64) {
    for _ in 0..=next(state) % 4 {
        let place = next(state) as usize % (input.len() + 1);
        let telling = TELLING[next(state) as usize % TELLING.len()];
        match next(state) % 8 {
            0 => drop(input.splice(place..place, telling.iter().copied())),
            1 => input.truncate(place),
            2 => {
                let end = (place + telling.len()).min(input.len());
                drop(input.splice(place..end, telling.iter().copied()));
            }
            3 => {
                let end = (place + 1 + next(state) as usize % 16).min(input.len());
                drop(input.drain(place..end));
            }
            4 => {
                let end = (place + 1 + next(state) as usize % 64).min(input.len());
                let copy = input[place..end].to_vec();
                drop(input.splice(place..place, copy));
            }
            other => {
                let random = next(state) as u8;
                if let Some(byte) = input.get_mut(place) {
                    *byte = match other {
                        5 => random,
                        6 => *byte ^ (1 << (random % 8)),
                        _ => byte.wrapping_add(random % 5).wrapping_sub(2),
                    };
                }
            }
        }
    }
}
