//! Aggregates: never more parts or bytes than went in, the first at the aggregate's own time, and parts that were put
//! together again are the same.
use bytes::Bytes;
use outflow_rtmp::message::{Aggregate, kind};
use outflow_rtmp::{Limits, Message};

use crate::meter::within;

pub(super) fn run(data: &[u8]) {
    let [mode, time @ .., _, _] = data else { return };
    let Some((time, payload)) = time.split_first_chunk::<4>() else { return };
    let limits = Limits { aggregate_parts: if mode & 1 == 0 { 10_000 } else { 3 }, ..Limits::default() };
    let timestamp = u32::from_be_bytes(*time);
    let payload = Bytes::copy_from_slice(payload);
    let aggregate = |payload: Bytes, limits: &Limits| {
        let message = Message { csid: 6, kind: kind::AGGREGATE, stream_id: 1, timestamp, payload };
        Aggregate::new(message, limits)
    };
    // The parts are not copied.
    let (count, bytes) = within(4096, "aggregate", || {
        let (mut count, mut bytes) = (0, 0);
        for part in aggregate(payload.clone(), &limits).map_while(Result::ok) {
            count += 1;
            bytes += part.payload.len() + 11;
            assert!(part.is_media() && part.kind != kind::AGGREGATE && part.stream_id == 1);
        }
        (count, bytes)
    });
    assert!(count <= limits.aggregate_parts && bytes <= payload.len());
    let parts: Vec<_> = aggregate(payload, &limits).collect();
    let failed = parts.iter().position(Result::is_err);
    assert!(failed.is_none_or(|index| index + 1 == parts.len()), "nothing comes after an error");
    let parts: Vec<Message> = parts.into_iter().filter_map(Result::ok).collect();
    let joined = join(&parts);
    let again: Vec<Message> = aggregate(joined.into(), &Limits::default()).map(Result::unwrap).collect();
    // The first part is at the aggregate's time, whatever came before it and was left out.
    let shift = parts.first().map_or(0, |first| timestamp.wrapping_sub(first.timestamp));
    let expected: Vec<Message> =
        parts.into_iter().map(|part| Message { timestamp: part.timestamp.wrapping_add(shift), ..part }).collect();
    assert!(again == expected, "{expected:?} became {again:?}");
}

fn join(parts: &[Message]) -> Vec<u8> {
    let mut joined = Vec::new();
    for part in parts {
        let [t0, t1, t2, t3] = part.timestamp.to_be_bytes();
        let [_, a, b, c] = (part.payload.len() as u32).to_be_bytes();
        joined.extend_from_slice(&[part.kind, a, b, c, t1, t2, t3, t0, 0, 0, 0]);
        joined.extend_from_slice(&part.payload);
        joined.extend_from_slice(&(11 + part.payload.len() as u32).to_be_bytes());
    }
    joined
}
