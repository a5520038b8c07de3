//! Which track goes where, for command lines as people type them.

use outflow::graph::{Graph, Pace, Role, Target};
use outflow::media::Kind;

use crate::graph;

/// `raw source>encoder`, `filter producer.kind>filter`, and `producers => sinks` for each stream.
fn links(graph: &Graph) -> String {
    let name = |id| graph.get(id).node.name.as_str();
    let letter = |kind| match kind {
        Kind::Video => 'v',
        Kind::Audio => 'a',
        Kind::Data => 'd',
    };
    let mut parts: Vec<String> = vec![];
    parts.extend(graph.raw_routes.iter().map(|(from, to)| format!("raw {}>{}", name(*from), name(*to))));
    for (producer, target) in &graph.routes {
        if let Target::Filter(to) = target {
            parts.push(format!("{}.{}>{}", name(producer.node), letter(producer.kind), name(*to)));
        }
    }
    for stream in &graph.streams {
        let mut inputs: Vec<(&str, String)> = vec![];
        for producer in &stream.inputs {
            match inputs.last_mut() {
                Some((last, kinds)) if *last == name(producer.node) => kinds.push(letter(producer.kind)),
                _ => inputs.push((name(producer.node), letter(producer.kind).to_string())),
            }
        }
        let inputs: Vec<String> = inputs.into_iter().map(|(node, kinds)| format!("{node}.{kinds}")).collect();
        let sinks: Vec<&str> = stream.sinks.iter().map(|sink| name(*sink)).collect();
        parts.push(format!("{} => {}", inputs.join("+"), sinks.join(",")));
    }
    parts.join("; ")
}

#[test]
fn words_are_linked_as_gpac_links_them() {
    let encoders = "raw avgen>avc; raw avgen>aac; avc.v+aac.a";
    for (line, expected) in [
        // The command of GPAC issue 3043, and its ways of ending a URL.
        (
            "avgen:sizes=240x160:rates=200k c=avc c=aac -o rtmp://127.0.0.1:8889/live:gpac:ffmt=flv:rtmp_listen=1 \
             -o rtmp://127.0.0.1:8888/live:gpac:ffmt=flv:rtmp_listen=1",
            format!("{encoders} => 127.0.0.1,127.0.0.1-2"),
        ),
        ("avgen c=avc c=aac -o rtmp://127.0.0.1:8889/live:gpac:rtmp_listen=1", format!("{encoders} => 127.0.0.1")),
        ("avgen c=avc c=aac -o rtmp://127.0.0.1:8889/live:ffmt=flv:rtmp_listen=1", format!("{encoders} => 127.0.0.1")),
        ("avgen c=avc c=aac -o rtmp://127.0.0.1:8889/live:gfopt:rtmp_listen=1", format!("{encoders} => 127.0.0.1")),
        ("avgen c=avc c=aac -o rtmp://127.0.0.1:8889/live::rtmp_listen=1", format!("{encoders} => 127.0.0.1")),
        ("avgen c=avc c=aac -o rtmp://127.0.0.1:8889:gpac:rtmp_listen=1", format!("{encoders} => 127.0.0.1")),
        ("avgen c=avc c=aac -o rtmp://:1935/live:gpac:listen", format!("{encoders} => any")),
        ("avgen c=avc c=aac -o rtmp://[::1]:1935/live:gpac:listen", format!("{encoders} => ::1")),
        // Options anywhere, src= and dst=, encoders by their long name.
        ("-graph avgen enc:c=avc -stats enc:b=64k:c=aac dst=rtmp://h/live/k", format!("{encoders} => h")),
        ("avgen c=avc c=aac -dst rtmp://h/live/k", format!("{encoders} => h")),
        ("src=in.flv -o rtmp://h/live/k", "in.flv.avd => h".into()),
        ("-src in.flv --dst=rtmp://h/live/k", "in.flv.avd => h".into()),
        // Pass-through of every kind of source.
        ("-i in.flv -o rtmp://a/live/k -o rtmp://b/live/k", "in.flv.avd => a,b".into()),
        ("-i in.mp4:loop -o rtmps://a:443/live2:key=k", "in.mp4.avd => a".into()),
        ("-i in.mkv -o rtmp://a/live/k", "in.mkv.avd => a".into()),
        ("-i - -o rtmp://a/live/k", "stdin.avd => a".into()),
        ("-i pipe:3:name=p -o rtmp://a/live/k", "p.avd => a".into()),
        ("-i https://h/x/y.m3u8 -o rtmp://a/live/k", "h.avd => a".into()),
        ("-i rtmp://127.0.0.1:1935/in/cam:rtmp_listen=1 -o rtmp://a/live/k", "127.0.0.1.avd => a".into()),
        ("-i rtmp://far/live/cam -o rtmp://a/live/k -o out.flv -o null", "far.avd => a,out.flv,null".into()),
        // Outputs are named by host, or as told; streams are shared by what feeds them.
        (
            "-i in.flv -o rtmp://h/live/a -o rtmp://h/live/b:name=x -o rtmp://h/live/c -o rtmp://h/live/d:name=h-2",
            "in.flv.avd => h,x,h-3,h-2".into(),
        ),
        // Filters: first in line takes it, pace filters are transparent, inspect passes on or ends.
        ("avgen reframer:rt=on c=avc c=aac -o rtmp://h/live/k", format!("{encoders} => h")),
        ("avgen c=avc c=aac reframer:rt=on -o rtmp://h/live/k", format!("{encoders} => h")),
        ("avgen c=avc reframer:rt=sync c=aac -o rtmp://h/live/k", format!("{encoders} => h")),
        ("-i in.flv inspect", "in.flv.a>inspect; in.flv.v>inspect; in.flv.d>inspect".into()),
        (
            "-i in.flv inspect:deep -o rtmp://h/live/k",
            "in.flv.a>inspect; in.flv.v>inspect; in.flv.d>inspect; inspect.avd => h".into(),
        ),
        (
            "-i in.flv -o rtmp://h/live/k inspect",
            "in.flv.a>inspect; in.flv.v>inspect; in.flv.d>inspect; inspect.avd => h".into(),
        ),
        (
            "avgen c=avc inspect c=aac -o rtmp://h/live/k",
            "raw avgen>avc; raw avgen>aac; avc.v>inspect; inspect.v+aac.a => h".into(),
        ),
        // One kind of track only.
        ("avgen:type=v c=avc -o rtmp://h/live/k", "raw avgen>avc; avc.v => h".into()),
        ("avgen:type=a c=aac -o rtmp://h/live/k", "raw avgen>aac; aac.a => h".into()),
        // A new source after a sink opens a new session.
        ("-i in.flv -o rtmp://a/live/k -i in.mp4 -o rtmp://b/live/k", "in.flv.avd => a; in.mp4.avd => b".into()),
        (
            "avgen c=avc c=aac -o rtmp://a/live/k -i in.flv -o rtmp://b/live/k -o rtmp://c/live/k",
            format!("{encoders} => a; in.flv.avd => b,c"),
        ),
        // Explicit links.
        (
            "avgen:FID=s c=avc:b=1m:SID=s:FID=lo c=avc:b=2m:SID=s:FID=hi c=aac:SID=s:FID=a -o rtmp://a/live/k:SID=lo,a \
             -o rtmp://b/live/k:SID=hi,a",
            "raw avgen>avc; raw avgen>avc-2; raw avgen>aac; avc.v+aac.a => a; avc-2.v+aac.a => b".into(),
        ),
        ("-i in.flv:FID=x -o rtmp://a/live/k:SID=x#video -o rtmp://b/live/k", "in.flv.v => a; in.flv.avd => b".into()),
        ("-i in.flv:FID=x -o rtmp://a/live/k:SID=x#audio", "in.flv.a => a".into()),
        ("-i in.flv:FID=v -i b.flv:FID=a -o rtmp://h/live/k:SID=v#video,a#audio", "in.flv.v+b.flv.a => h".into()),
        ("-i in.flv @ -o rtmp://a/live/k", "in.flv.avd => a".into()),
        (
            "-i in.flv -i b.flv @ -o rtmp://a/live/k @1#audio -o rtmp://b/live/k @3 inspect",
            "in.flv.a>inspect; in.flv.v>inspect; in.flv.d>inspect; b.flv.avd => a; b.flv.a => b".into(),
        ),
        ("-i in.flv -i b.flv @1#video @#audio -o rtmp://a/live/k", "in.flv.v+b.flv.a => a".into()),
        // Words from a file, one a line; values that stand elsewhere.
        ("-args=/run/right-words", format!("{encoders} => h.example")),
        ("-i in.flv -o url=env@TARGET:key=fd@3", "in.flv.avd => h.example".into()),
        // Global options.
        (
            "-i in.flv -o rtmp://127.0.0.1:1/a -o rtmp://127.0.0.1:2/a --rtmp_listen=1",
            "in.flv.avd => 127.0.0.1,127.0.0.1-2".into(),
        ),
        // A file name that holds a colon.
        ("-i odd:name.flv:loop -o null", "odd:name.flv.avd => null".into()),
    ] {
        let found = graph(line);
        // The order of kinds inside a producer is that of the type, not of the media.
        assert_eq!(links(&found), expected, "{line}");
        assert!(found.ids().all(|id| found.stream_of(id).is_some() || !found.get(id).role.is_sink()), "{line}");
    }
}

#[test]
fn listening_is_told_by_the_word_alone() {
    for (line, kind) in [
        ("-i in.flv -o rtmp://h:1/live:gpac:rtmp_listen=1", "rtmp_listen"),
        ("-i in.flv -o rtmp://h:1/live:gpac:rtmp_listen", "rtmp_listen"),
        ("-i in.flv -o rtmp://h:1/live:gpac:listen=true", "rtmp_listen"),
        ("-i in.flv -o rtmp://h:1/live:gpac:rtmp_listen=0", "rtmp_push"),
        ("-i in.flv -o rtmp://h:1/live:gpac:!rtmp_listen", "rtmp_push"),
        ("-i in.flv -o rtmp://h:1/live:gpac:timeout=2", "rtmp_push"),
        ("-i in.flv -o rtmp://h:1/live", "rtmp_push"),
        ("-i in.flv -o rtmp://h:1/live?x=a:rtmp_listen=1:gpac:name=n", "rtmp_push"),
    ] {
        assert_eq!(graph(line).nodes[1].role.kind(), kind, "{line}");
    }
}

#[test]
fn the_pace_is_the_sessions() {
    for (line, paces) in [
        ("avgen c=avc c=aac -o rtmp://h/live/k", &[Pace::RealTime][..]),
        ("avgen c=avc c=aac -o out.flv", &[Pace::RealTime]),
        ("avgen reframer:rt=off c=avc c=aac -o out.flv", &[Pace::Free]),
        ("avgen c=avc c=aac reframer:rt=off -o null", &[Pace::Free]),
        ("-i in.flv reframer:rt=off inspect", &[Pace::Free]),
        ("-i in.flv reframer:rt=on -o out.flv", &[Pace::RealTime]),
        ("-i in.flv reframer -o out.flv", &[Pace::RealTime]),
        ("-i in.flv reframer:rt=off -o out.flv -i in.mp4 -o rtmp://h/live/k", &[Pace::Free, Pace::RealTime]),
    ] {
        let graph = graph(line);
        assert_eq!(graph.sessions.iter().map(|session| session.pace).collect::<Vec<_>>(), paces, "{line}");
    }
    let told = graph("avgen c=avc c=aac -o out.flv").notes;
    assert!(told.iter().any(|note| note.contains("real time") && note.contains("rt=off")), "{told:?}");
    let (graph, _, warnings) = crate::parse("-i https://h/x reframer:rt=off -o out.flv").unwrap();
    assert_eq!(graph.sessions[0].pace, Pace::RealTime);
    assert!(warnings[0].problem.contains("pace of its own"), "{warnings:?}");
}

#[test]
fn a_graph_is_described_in_gpacs_style() {
    let text = graph("avgen:rates=200k c=avc c=aac reframer:rt=on -o rtmp://h/live/k3y -o out.flv").describe();
    assert_eq!(
        text,
        "Filters connected:\n \
         \"avgen\" (rates=200k) (idx=1)\n \
         -(PID video) enc \"c=avc\" (idx=2)\n \
         --(PID video) \"reframer\" (rt=on) (idx=4)\n \
         ---(PID audio)\\\n \
         ---(PID video)-> rtmp_push \"h\" (dst=rtmp://h/live/****) (idx=5)\n \
         ---(PID audio)\\\n \
         ---(PID video)-> file \"out.flv\" (dst=out.flv) (idx=6)\n \
         -(PID audio) enc \"c=aac\" (idx=3)\n \
         --(PID audio) \"reframer\" (rt=on) (idx=4)\n\
         Stream 1: h, out.flv\n"
    );
}

#[test]
fn targets_are_found_from_their_producers() {
    let graph = graph("avgen c=avc c=aac inspect -o rtmp://h/live/k -o out.flv");
    let of = |kind: &str| graph.ids().find(|id| graph.get(*id).role.kind() == kind).unwrap();
    assert_eq!(graph.encoders_of(of("avgen")).collect::<Vec<_>>(), [of("avc"), of("aac")]);
    assert_eq!(graph.targets(of("avc")).collect::<Vec<_>>(), [(Kind::Video, Target::Filter(of("inspect")))]);
    assert_eq!(
        graph.targets(of("inspect")).collect::<Vec<_>>(),
        [(Kind::Audio, Target::Stream(0)), (Kind::Video, Target::Stream(0))]
    );
    assert_eq!(graph.stream_of(of("file")), Some(0));
    assert!(matches!(graph.get(of("file")).role, Role::Sink(_)));
    assert!(graph.sessions[0].live);
}
