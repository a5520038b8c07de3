//! Connections that ask a second time, and broadcasts of which the beginning is easily lost: sound alone, and one that is
//! over at once.

use std::io;
use std::time::Duration;

use outflow_testkit::flv::Tag;
use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::media::made_up;
use outflow_testkit::player::Player;
use outflow_testkit::publisher::{Publisher, Target, answer, decoder, encoder, open_stream, published, status};
use outflow_testkit::wait::DEADLINE;
use outflow_testkit::wire::{self, Message, Reader, Value, Writer, text};

use crate::rig::{Setup, Show, output};

const OPEN: &str = "[[stream]]\nname = \"live/*\"\npublish_key = \"none\"\nmissing = \"wait\"\n";

/// A client that says what the test likes.
struct Client {
    reader: Reader,
    writer: Writer,
    stream: u32,
    calls: f64,
}

impl Client {
    async fn connect(url: &str, sort: (&'static str, Value)) -> Self {
        let target = Target::parse(url);
        let (mut reader, mut writer) = wire::split(target.dial(None).await.unwrap());
        let stream = open_stream(&target, sort, &mut reader, &mut writer).await.unwrap();
        Self { reader, writer, stream, calls: 2.0 }
    }

    async fn call(&mut self, name: &str, values: Vec<Value>) {
        self.calls += 1.0;
        let values = [vec![Value::Null], values].concat();
        self.writer.command(self.stream, name, self.calls, values).await.unwrap();
    }

    async fn publish(&mut self, name: &str) -> io::Result<String> {
        self.call("publish", vec![text(name), text("live")]).await;
        self.status().await
    }

    async fn send(&mut self, tags: &[Tag]) {
        for tag in tags {
            let message = Message { kind: tag.kind, time: tag.time, stream: self.stream, body: published(tag) };
            self.writer.send(&message).await.unwrap();
        }
    }

    async fn status(&mut self) -> io::Result<String> {
        tokio::time::timeout(DEADLINE, status(&mut self.reader)).await.expect("an answer in time")
    }

    /// Reads to the end, which has to be one in good order.
    async fn end(&mut self) {
        let reading = async {
            while self.reader.next().await?.is_some() {}
            io::Result::Ok(())
        };
        tokio::time::timeout(DEADLINE, reading).await.expect("an end in time").expect("the end is no reset");
    }
}

/// The bodies of the frames.
fn frames(tags: &[Tag]) -> Vec<bytes::Bytes> {
    tags.iter().filter(|tag| tag.is_frame()).map(|tag| tag.body.clone()).collect()
}

#[tokio::test]
async fn a_connection_publishes_again_after_each_way_to_end() {
    let mut setup = Setup::new();
    let key = setup.secret("INGEST_KEY");
    setup.write(&("[[stream]]\nname = \"live/locked\"\npublish_key = { env = \"INGEST_KEY\" }\n".to_owned() + OPEN));
    let serve = setup.start().await;
    // One group: who waits begins at the newest key frame, if several come at once.
    let tags = made_up(30, 30, 200);
    for way in ["closeStream", "deleteStream", "FCUnpublish", "publish", "at once"] {
        let names = ["first", "second"].map(|which| format!("{which}-{}", way.replace(' ', "")));
        let mut client = Client::connect(&setup.url("live/any"), encoder()).await;
        let players = [&names[0], &names[1]].map(|name| setup.url(&format!("live/{name}")));
        let players = [Player::connect(&players[0]).await.unwrap(), Player::connect(&players[1]).await.unwrap()];
        assert_eq!(client.publish(&names[0]).await.unwrap(), "NetStream.Publish.Start", "{way}");
        client.send(&tags).await;
        players[0].wait_for_media(62).await;
        let id = Value::Number(client.stream.into());
        match way {
            "deleteStream" => {
                client.call("deleteStream", vec![id.clone()]).await;
                assert_eq!(client.status().await.unwrap(), "NetStream.Unpublish.Success");
                client.call("createStream", vec![]).await;
                let created = answer(&mut client.reader, client.calls).await.unwrap();
                client.stream = created.last().cloned().and_then(Value::get_number).unwrap() as u32;
            }
            "FCUnpublish" => client.call(way, vec![text(names[0].as_str())]).await,
            "publish" => {}
            _ => client.call("closeStream", vec![id.clone()]).await,
        }
        if way == "at once" {
            // One that is over before it is answered, and another behind it in the same breath.
            let mut bytes = Vec::new();
            for (name, value) in [("publish", text("neither")), ("closeStream", id)] {
                let values = vec![text(name), Value::Number(9.0), Value::Null, value];
                bytes.extend(client.writer.encode(&Message::amf(wire::kind::COMMAND, client.stream, &values)));
            }
            client.writer.raw(&bytes).await.unwrap();
        } else if way != "deleteStream" && way != "publish" {
            assert_eq!(client.status().await.unwrap(), "NetStream.Unpublish.Success", "{way}");
        }
        let mut told = client.publish(&names[1]).await.unwrap();
        while told == "NetStream.Unpublish.Success" {
            told = client.status().await.unwrap();
        }
        assert_eq!(told, "NetStream.Publish.Start", "{way}");
        client.send(&tags).await;
        // Both headers and thirty frames of each kind.
        let came = players[1].wait_for_media(62).await;
        assert_eq!(frames(&came), frames(&tags), "{way}");

        // The gate decides anew.
        client.call("FCUnpublish", vec![text(names[1].as_str())]).await;
        assert_eq!(client.status().await.unwrap(), "NetStream.Unpublish.Success", "{way}");
        let denied = client.publish("locked").await.expect_err("without its key");
        assert_eq!(denied.to_string(), "NetStream.Publish.Denied", "{way}");
        client.end().await;
    }
    // One that only closes is seen off, and the name of the one before is free.
    let mut client = Client::connect(&setup.url("live/any"), encoder()).await;
    assert_eq!(client.publish(&format!("locked?key={key}")).await.unwrap(), "NetStream.Publish.Start");
    client.call("FCUnpublish", vec![text("locked")]).await;
    assert_eq!(client.status().await.unwrap(), "NetStream.Unpublish.Success");
    client.writer.finish().await.unwrap();
    client.end().await;
    serve.end().await;
}

#[tokio::test]
async fn a_player_that_plays_again_is_answered_and_closed_in_good_order() {
    let setup = Setup::new();
    setup.write(OPEN);
    let serve = setup.start().await;
    let _show = Show::publish(&setup.url("live/w")).await;
    for ends_first in [false, true] {
        let mut client = Client::connect(&setup.url("live/w"), decoder()).await;
        client.call("play", vec![text("w"), Value::Number(-2000.0)]).await;
        while client.status().await.unwrap() != "NetStream.Play.Start" {}
        if ends_first {
            let id = Value::Number(client.stream.into());
            client.call("closeStream", vec![id]).await;
        } else {
            client.call("play", vec![text("w2"), Value::Number(-2000.0)]).await;
            let refused = loop {
                if let Err(refused) = client.status().await {
                    break refused;
                }
            };
            assert_eq!(refused.to_string(), "NetStream.Play.Failed");
        }
        client.end().await;
    }
    serve.end().await;
}

/// Sound alone, a frame each 20 ms, in real time.
fn sound(frames: u32) -> Vec<Tag> {
    let mut tags = vec![Tag { kind: 8, time: 0, body: bytes::Bytes::from_static(b"\xaf\x00\x12\x10") }];
    tags.extend((0..frames).map(|frame| {
        let body = [&[0xaf, 1][..], &frame.to_be_bytes(), &[7; 100]].concat();
        Tag { kind: 8, time: frame * 20, body: body.into() }
    }));
    tags
}

#[tokio::test]
async fn who_waits_for_sound_alone_has_it_from_its_first_packet() {
    let server = Ingest::start(Behaviour::Good).await;
    let setup = Setup::new();
    setup.write(&(OPEN.to_owned() + &output("out", "live/radio", &server.url("live/k"), "")));
    let serve = setup.start().await;
    let waiting = Player::connect(&setup.url("live/radio")).await.unwrap();
    let mut publisher = Publisher::connect(&setup.url("live/radio")).await.unwrap();
    let tags = sound(150);
    publisher.play(&tags, 0).await.unwrap();
    let late = Player::connect(&setup.url("live/radio")).await.unwrap();
    let first = late.wait_for_media(2).await;
    assert_eq!(frames(&first)[0], tags[150].body, "one that comes later begins at the live edge");
    assert_eq!(frames(&waiting.wait_for_media(151).await), frames(&tags));
    server.wait_for_media(0, 151).await;
    assert_eq!(frames(&server.session(0).tags()), frames(&tags));
    serve.end().await;
}

#[tokio::test]
async fn a_broadcast_that_is_over_at_once_reaches_who_waits_for_it() {
    let setup = Setup::new();
    setup.write(OPEN);
    let serve = setup.start().await;
    let pictures: Vec<Tag> = made_up(26, 26, 200).into_iter().filter(|tag| tag.kind == 9).collect();
    for (name, tags) in [("pictures", &pictures), ("sound", &sound(5))] {
        let url = setup.url(&format!("live/{name}"));
        let waiting = Player::connect(&url).await.unwrap();
        let mut publisher = Publisher::connect(&url).await.unwrap();
        for tag in tags {
            publisher.send_tag(tag, 0).await.unwrap();
        }
        publisher.finish().await.unwrap();
        assert_eq!(frames(&waiting.wait_for_media(tags.len()).await), frames(tags), "{name}");
        // It is over for one that comes now.
        let late = Player::connect(&url).await.unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(late.received.look(|received| received.media_messages), 0, "{name}");
    }
    serve.end().await;
}
