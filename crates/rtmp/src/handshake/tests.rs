//! Tests of handshakes, against each other and against recorded bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::digest::is_response;
use super::*;
use proptest::prelude::*;

/// C0, C1 and C2 of a player that checks the server's digests.
static PLAYER: &[u8] = include_bytes!("../../tests/data/handshake_ffmpeg_player.bin");
/// S0, S1 and S2 that it got.
static SERVER: &[u8] = include_bytes!("../../tests/data/handshake_nginx_rtmp.bin");

fn random(seed: u8) -> [u8; 1528] {
    std::array::from_fn(|i| (i as u8).wrapping_mul(31).wrapping_add(seed))
}

/// The n-th packet after the version byte.
fn packet(bytes: &[u8], n: usize) -> &Packet {
    bytes[1 + n * PACKET..].first_chunk().unwrap()
}

/// A C1 with a digest in the given schema.
fn signed(schema: Schema, seed: u8) -> Packet {
    let mut c1 = hello(CLIENT_VERSION, &random(seed));
    digest::sign(&mut c1, schema, Side::Client);
    c1
}

/// S0, S1 and S2 in answer to C0 and this C1.
fn answered(c1: &Packet) -> Bytes {
    let mut server = ServerHandshake::new(&random(7));
    assert!(!server.read(&mut &[&[3][..], c1].concat()[..]).unwrap());
    server.take_output()
}

#[test]
fn keys_and_places_agree_with_real_peers() {
    let (schema, client) = digest::find(packet(PLAYER, 0), Side::Client).expect("FFmpeg's C1 is signed");
    assert_eq!(schema, Schema::First);
    let (_, server) = digest::find(packet(SERVER, 0), Side::Server).expect("nginx-rtmp's S1 is signed");
    assert!(is_response(packet(SERVER, 1), &client, Side::Server), "nginx-rtmp's S2 is signed");
    assert!(is_response(packet(PLAYER, 1), &server, Side::Client), "FFmpeg's C2 is signed");
}

#[test]
fn a_client_with_digest_gets_digests() {
    for schema in [Schema::First, Schema::Second] {
        let c1 = signed(schema, 1);
        let (_, client) = digest::find(&c1, Side::Client).unwrap();
        let output = answered(&c1);
        assert_eq!((output.len(), output[0]), (1 + 2 * PACKET, 3));
        assert_eq!(packet(&output, 0)[4..8], SERVER_VERSION);
        assert_eq!(digest::find(packet(&output, 0), Side::Server).unwrap().0, schema);
        assert!(is_response(packet(&output, 1), &client, Side::Server));
    }
    let output = answered(packet(PLAYER, 0));
    assert!(digest::find(packet(&output, 0), Side::Server).is_some());
}

#[test]
fn a_client_without_valid_digest_gets_an_echo_and_version_zero() {
    let mut spoilt = signed(Schema::First, 1);
    spoilt[1535] ^= 1;
    for c1 in [hello([0; 4], &random(1)), hello(CLIENT_VERSION, &random(1)), spoilt, [0xFF; PACKET]] {
        let output = answered(&c1);
        assert_eq!(packet(&output, 0)[..8], [0; 8]);
        assert_eq!(packet(&output, 1), &c1);
    }
}

#[test]
fn digests_at_the_first_and_last_place() {
    for (schema, base) in [(Schema::First, 8), (Schema::Second, 772)] {
        for offset in [[0, 0, 0, 0], [0xFF, 0xFF, 217, 0], [0xFF; 4]] {
            let mut c1 = hello(CLIENT_VERSION, &random(9));
            c1[base..base + 4].copy_from_slice(&offset);
            digest::sign(&mut c1, schema, Side::Client);
            assert_eq!(digest::find(&c1, Side::Client).unwrap().0, schema);
        }
    }
}

#[test]
fn other_protocols_are_told_by_their_first_byte() {
    for (first, kind) in [
        (b'G', ErrorKind::Http),
        (b'P', ErrorKind::Http),
        (b'H', ErrorKind::Http),
        (0x16, ErrorKind::Tls),
        (6, ErrorKind::Rtmpe(6)),
        (8, ErrorKind::Rtmpe(8)),
        (0, ErrorKind::NotRtmp(0)),
        (4, ErrorKind::NotRtmp(4)),
        (0xFF, ErrorKind::NotRtmp(0xFF)),
    ] {
        let mut server = ServerHandshake::new(&random(1));
        assert!(!server.read(&mut &[][..]).unwrap());
        assert_eq!(server.read(&mut &[first][..]).unwrap_err().kind, kind);
        assert_eq!(server.read(&mut &[3][..]).unwrap_err().kind, kind, "an error stays");
        assert!(server.take_output().is_empty());
        assert_eq!(ClientHandshake::new(&random(1)).read(&mut &[first][..]).unwrap_err().kind, kind);
    }
    // §5.2.2: 3 is the only version there is.
    let taken = |first: &u8| ServerHandshake::new(&random(1)).read(&mut &[*first][..]).is_ok();
    assert_eq!((0..=255).filter(taken).collect::<Vec<u8>>(), [3]);
}

#[test]
fn the_answer_does_not_wait_for_c2() {
    let mut server = ServerHandshake::new(&random(1));
    let c0_c1 = [&[3][..], &[0; PACKET]].concat();
    assert!(!server.read(&mut &c0_c1[..PACKET]).unwrap());
    assert!(server.take_output().is_empty());
    assert!(!server.read(&mut &c0_c1[PACKET..]).unwrap());
    assert_eq!(server.take_output().len(), 1 + 2 * PACKET);
}

#[test]
fn the_plain_client_echoes_s1_and_asks_nothing_of_s2() {
    let mut client = ClientHandshake::new(&random(3));
    let hello = client.take_output();
    assert_eq!((hello.len(), &hello[..9]), (1 + PACKET, &[3, 0, 0, 0, 0, 0, 0, 0, 0][..]));
    assert!(client.read(&mut &*SERVER).unwrap());
    assert_eq!(client.take_output()[..], packet(SERVER, 0)[..]);
    assert!(client.read(&mut &b"x"[..]).unwrap(), "done stays done");
}

#[test]
fn the_client_with_digest_signs_c2_for_servers_that_sign() {
    let mut client = ClientHandshake::with_digest(&random(3));
    let hello = client.take_output();
    assert!(digest::find(packet(&hello, 0), Side::Client).is_some());
    assert!(client.read(&mut &*SERVER).unwrap());
    let (_, server) = digest::find(packet(SERVER, 0), Side::Server).unwrap();
    let c2 = client.take_output();
    assert!(is_response(c2[..].first_chunk().unwrap(), &server, Side::Client));

    let mut client = ClientHandshake::with_digest(&random(3));
    client.take_output();
    let unsigned = [&[3][..], &[5; PACKET], &[6; PACKET]].concat();
    assert!(client.read(&mut &unsigned[..]).unwrap());
    assert_eq!(client.take_output()[..], [5; PACKET]);
}

/// Carries the pieces of `bytes` that `cuts` make to `read`; what is left after the handshake, and whether it was done.
fn deliver(bytes: &[u8], cuts: &[usize], mut read: impl FnMut(&mut &[u8]) -> bool) -> (Vec<u8>, bool) {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(bytes.len());
    let (mut start, mut done, mut surplus) = (0, false, Vec::new());
    for cut in cuts {
        let mut input = &bytes[start..cut];
        done = read(&mut input);
        assert!(done || input.is_empty(), "bytes are left only when it is done");
        surplus.extend_from_slice(input);
        start = cut;
    }
    (surplus, done)
}

proptest! {
    #[test]
    fn any_split_is_the_same_handshake(
        cuts in prop::collection::vec(any::<usize>(), 0..12),
        more in prop::collection::vec(any::<u8>(), 0..40),
        form in 0..3,
    ) {
        let c1 = match form {
            0 => hello([0; 4], &random(1)),
            1 => signed(Schema::First, 1),
            _ => signed(Schema::Second, 1),
        };
        let stream = [&[3][..], &c1, &[9; PACKET], &more].concat();
        let mut server = ServerHandshake::new(&random(7));
        let (surplus, done) = deliver(&stream, &cuts, |input| server.read(input).unwrap());
        prop_assert!(done);
        prop_assert_eq!(&surplus, &more);
        let output = server.take_output();
        prop_assert_eq!(&output, &answered(&c1));

        let mut client = if form == 0 { ClientHandshake::new(&random(1)) } else { ClientHandshake::with_digest(&random(1)) };
        let stream = [&output[..], &more].concat();
        let (surplus, done) = deliver(&stream, &cuts, |input| client.read(input).unwrap());
        prop_assert!(done);
        prop_assert_eq!(surplus, more);
        prop_assert_eq!(client.take_output().len(), 1 + 2 * PACKET);
    }

    #[test]
    fn any_random_bytes_are_signed_well(bytes in prop::collection::vec(any::<u8>(), 1528)) {
        let random: [u8; 1528] = bytes.try_into().unwrap();
        let mut client = ClientHandshake::with_digest(&random);
        let mut server = ServerHandshake::new(&random);
        server.read(&mut &client.take_output()[..]).unwrap();
        let output = server.take_output();
        prop_assert!(digest::find(packet(&output, 0), Side::Server).is_some());
    }
}
