//! The source is cut off and returns with other timestamps and another resolution while four outputs run: they go on over
//! the same connections, with the new headers, decodable, in monotonic time.

use outflow_testkit::compare::monotonic;
use outflow_testkit::flv::Tag;
use outflow_testkit::free_port;
use outflow_testkit::ingest::{Behaviour, Ingest};
use outflow_testkit::media::Clip;
use outflow_testkit::peers::{self, Nginx, Peer};
use outflow_testkit::player::Player;
use outflow_testkit::publisher::Publisher;

use crate::help::{decodes, decodes_file, listening, outflow, read};

#[tokio::test]
async fn a_source_that_returns_changed_continues_every_output() {
    let (Some(ffmpeg), Some(nginx)) = (peers::find(Peer::Ffmpeg), peers::find(Peer::NginxRtmp)) else { return };
    let first = Clip::small(3).tags().await;
    let second = Clip { size: (480, 270), ..Clip::small(4) }.tags().await;
    let nginx = Nginx::start(&nginx).await;
    let (good, other) = (Ingest::start(Behaviour::Good).await, Ingest::start(Behaviour::Good).await);
    let (input, output) = (free_port(), free_port());
    let mut program = outflow(&format!(
        "-i rtmp://127.0.0.1:{input}/in/key:gpac:rtmp_listen=1 -o {}:gpac:name=good:start=gop -o {}:gpac:name=other:start=gop \
         -o {}:gpac:name=nginx -o rtmp://127.0.0.1:{output}/live:gpac:rtmp_listen=1",
        good.url("live/k"),
        other.url("live/k"),
        nginx.url("k")
    ))
    .start();
    listening(&[input, output], &mut program).await;
    let url = format!("rtmp://127.0.0.1:{input}/in/key");

    let mut publisher = Publisher::connect(&url).await.unwrap();
    let playing = async {
        good.wait_for_media(0, 1).await;
        Player::connect(&format!("rtmp://127.0.0.1:{output}/live")).await.unwrap()
    };
    let (sent, player) = tokio::join!(publisher.play(&first, 20_000_000), playing);
    sent.unwrap();
    good.wait_for_media(0, first.iter().filter(|tag| tag.is_frame()).count()).await;
    // No FCUnpublish, no deleteStream: the connection is just gone.
    drop(publisher);

    let mut publisher = connect_again(&url).await;
    // Far back in time, with another size.
    publisher.play(&second, 5000).await.unwrap();
    publisher.finish().await.unwrap();

    let headers = |tags: &[Tag]| tags.iter().filter(|tag| tag.kind == 9 && tag.is_sequence_header()).count();
    for (name, ingest) in [("good", &good), ("other", &other)] {
        ingest.wait_for("the end of the push", |state| state.open == 0).await;
        assert_eq!(
            ingest.state.look(|state| state.connections()),
            1,
            "{name} was not one connection: {}",
            program.text()
        );
        continues(name, &ingest.session(0).tags(), &first, &second).await;
    }
    player
        .received
        .wait_for("the player's end", |received| {
            let told = received.statuses.iter().any(|code| code == "NetStream.Play.UnpublishNotify");
            (told || received.end.is_some()).then_some(())
        })
        .await;
    let tags = player.tags();
    monotonic(&tags).unwrap();
    assert!(headers(&tags) >= 2, "the player saw {} video headers", headers(&tags));
    decodes(&tags, "player").await;
    peers_recorded(&nginx, &ffmpeg).await;
    assert_eq!(program.interrupt().await, 0, "{}", program.text());
}

/// The listener may still be busy with the connection that was cut off.
async fn connect_again(url: &str) -> Publisher {
    let start = std::time::Instant::now();
    loop {
        match Publisher::connect(url).await {
            Ok(publisher) => return publisher,
            Err(error) => assert!(start.elapsed().as_secs() < 20, "the source cannot come back: {error}"),
        }
    }
}

async fn continues(name: &str, tags: &[Tag], first: &[Tag], second: &[Tag]) {
    monotonic(tags).unwrap_or_else(|why| panic!("{name}: {why}"));
    let frames = |tags: &[Tag], kind| {
        tags.iter().filter(|tag| tag.kind == kind && tag.is_frame()).map(|tag| tag.body.clone()).collect::<Vec<_>>()
    };
    // Every video frame of both, in order.
    let expected = [frames(first, 9), frames(second, 9)].concat();
    let got = frames(tags, 9);
    assert_eq!(got.len(), expected.len(), "{name}: video frames");
    assert!(got == expected, "{name}: the frames differ from those that were sent");
    // The new header stands before the first frame of the second source.
    let header = second.iter().find(|tag| tag.kind == 9 && tag.is_sequence_header()).unwrap();
    let header_at =
        tags.iter().position(|tag| tag.body == header.body).unwrap_or_else(|| panic!("{name}: no new header"));
    let frame = second.iter().find(|tag| tag.is_key_frame()).unwrap();
    let frame_at = tags.iter().position(|tag| tag.body == frame.body).unwrap();
    assert!(header_at < frame_at, "{name}: the new header comes after its first frame");
    // Time goes on where it was, not in the returned source's own.
    let last = first.last().unwrap().time - first.iter().find(|tag| tag.is_frame()).unwrap().time;
    let step = tags[frame_at].time.saturating_sub(last);
    assert!(step < 10_000, "{name}: time jumps by {step} ms");
    decodes(tags, name).await;
}

async fn peers_recorded(nginx: &Nginx, ffmpeg: &peers::Found) {
    let files = nginx.recordings("k");
    assert_eq!(files.len(), 1, "nginx saw more than one publication");
    monotonic(&read(&files[0])).unwrap();
    decodes_file(ffmpeg, &files[0]).await;
    Peer::NginxRtmp.ran();
}
