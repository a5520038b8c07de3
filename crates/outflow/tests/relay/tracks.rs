//! The tracks of one stream, each to whom it is for.

use bytes::Bytes;
use outflow::config::Config;
use outflow::options::Value;
use outflow_testkit::compare::monotonic;
use outflow_testkit::flv::Tag;
use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::media::made_up;
use outflow_testkit::player::Player;
use outflow_testkit::publisher::Publisher;

use crate::rig::{Rig, Show, config, output_rule, rule};

/// A publisher with two sounds in one message: players get the second as an ordinary one, a push the first, and another push
/// without a choice what came.
#[tokio::test]
async fn players_and_outputs_of_one_stream_get_their_own_tracks() {
    let (one, all) = (Ingest::start(Behaviour::Good).await, Ingest::start(Behaviour::Good).await);
    let names = |names: &[&str]| Value::List(names.iter().map(|name| (*name).to_owned()).collect());
    let mut show = rule("live/show");
    show.players = vec![("tracks", names(&["video", "audio:1"]))];
    let mut first = output_rule("first", "live/show", &one.url("live/k"));
    first.options.push(("tracks", names(&["video", "audio"])));
    let whole = output_rule("whole", "live/show", &all.url("live/k"));
    let rig = Rig::start(Config { streams: vec![show], outputs: vec![first, whole], ..config() });
    let publisher = Publisher::connect(&rig.url("live/show")).await.unwrap();
    let sent: Vec<Tag> =
        made_up(2_000, 25, 500).into_iter().map(|tag| if tag.kind == 8 { doubled(&tag) } else { tag }).collect();
    let show = Show::run(publisher, sent.clone());
    one.wait_for_media(0, 50).await;
    all.wait_for_media(0, 50).await;
    let player = Player::connect(&rig.url("live/show")).await.unwrap();
    player.received.wait_for("media", |received| (received.media_messages > 100).then_some(())).await;
    show.finish().await;
    let sound = |tags: Vec<Tag>| tags.into_iter().filter(|tag| tag.kind == 8).map(|tag| tag.body).collect::<Vec<_>>();
    for (who, tags, id) in [("player", player.tags(), 1u8), ("first", one.session(0).tags(), 0)] {
        monotonic(&tags).unwrap();
        let first = tags.iter().find(|tag| tag.kind == 9 && tag.is_frame()).unwrap();
        assert!(first.is_key_frame(), "{who}: {first:?}");
        let sound = sound(tags);
        assert_eq!(sound[0], Bytes::from(vec![0xAF, 0, 0x12, 0x10 + id]), "{who}: its own header");
        assert!(sound.len() > 20);
        for body in &sound[1..] {
            assert!(body.starts_with(&[0xAF, 1]) && body.ends_with(&[id]), "{who}: {body:?}");
        }
    }
    let came: Vec<Bytes> = sound(sent);
    assert!(sound(all.session(0).tags()).iter().all(|body| came.contains(body)), "as it came");
}

/// The sound of a tag twice, in one `ManyTracks` message; each ends with its number.
fn doubled(tag: &Tag) -> Tag {
    let mut body = if tag.body[1] == 0 { b"\x95\x10mp4a".to_vec() } else { b"\x95\x11mp4a".to_vec() };
    for id in [0, 1u8] {
        let data = if tag.body[1] == 0 { vec![0x12, 0x10 + id] } else { [&tag.body[2..], &[id]].concat() };
        body.push(id);
        body.extend(&u32::try_from(data.len()).unwrap().to_be_bytes()[1..]);
        body.extend(data);
    }
    Tag { body: body.into(), ..tag.clone() }
}
