//! The selections of a stream that outputs send (`tracks=`, `silence=`): each is made once, as a stream with a hub of its
//! own, for all outputs that send the same.
//!
//! A stream of which everything is sent as it came has none, and pays one look at a flag for each packet. The writer never
//! waits for readers here either: what was before a selection was asked for is made by whoever asks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;

use super::lane::{Lane, Latest, Published};
use super::pick::Picker;
use super::selection::Selection;
use super::silence::{self, Silence};
use super::{Pace, Stream};
use crate::hub::{Past, hub};
use crate::media::{Kind, Packet, StreamInfo};
use crate::wire::Shared;

/// The selections of one stream.
#[derive(Default)]
pub(super) struct Variants {
    /// There may be some.
    any: AtomicBool,
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    all: Vec<Variant>,
    /// What the source that is there, or was there last, says of itself.
    info: StreamInfo,
    /// How many sources there have been.
    sources: u64,
    /// The number of the first packet of the present one.
    begins: u64,
    /// No writer is left.
    closed: bool,
}

struct Variant {
    selection: Selection,
    /// Gone with its last reader.
    stream: Weak<Stream>,
    lane: Lane,
    picker: Picker,
    silence: Option<Silence>,
    /// The number in the whole stream's hub of the packet that it takes next; `None` while it has not begun.
    next: Option<u64>,
    room: Vec<Packet>,
}

impl Variants {
    /// A source begins, with the packet of this number.
    pub(super) fn start(&self, info: StreamInfo, begins: u64) {
        let mut list = self.list.lock();
        (list.info, list.begins) = (info, begins);
        list.sources += 1;
        for variant in &mut list.all {
            variant.start(info);
        }
    }

    /// A packet of the whole stream.
    pub(super) fn feed(&self, published: &Published) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let mut list = self.list.lock();
        list.all.retain(|variant| variant.stream.strong_count() > 0);
        if list.all.is_empty() {
            self.any.store(false, Ordering::Release);
        }
        for variant in &mut list.all {
            if variant.next.is_some_and(|next| published.seq < next) {
                continue;
            }
            variant.next = Some(published.seq + 1);
            variant.take(&published.message, Instant::now());
        }
    }

    /// What the metadata said no longer holds.
    pub(super) fn forget_metadata(&self) {
        if self.any.load(Ordering::Acquire) {
            self.list.lock().all.iter_mut().for_each(Variant::forget_metadata);
        }
    }

    pub(super) fn end(&self, clean: bool) {
        for variant in &mut self.list.lock().all {
            variant.lane.end(clean);
        }
    }

    /// No source will come again, whatever outputs wait for.
    pub(super) fn finish(&self) {
        for variant in &self.list.lock().all {
            if let Some(stream) = variant.stream.upgrade() {
                stream.hub.finish();
            }
        }
    }

    /// The writer is gone.
    pub(super) fn close(&self) {
        let mut list = self.list.lock();
        list.closed = true;
        list.all.clear();
    }

    /// Waits, for a stream that runs free, until the slowest reader of each selection has room.
    pub(super) fn wait_for_room(&self) {
        let streams: Vec<_> = self.list.lock().all.iter().filter_map(|variant| variant.stream.upgrade()).collect();
        for stream in streams {
            if let Some(pace) = &stream.pace {
                let read = pace.wait_for_room(stream.hub.head());
                let mut list = self.list.lock();
                let of = |variant: &&mut Variant| std::ptr::eq(variant.stream.as_ptr(), &*stream);
                if let Some(variant) = list.all.iter_mut().find(of) {
                    variant.lane.publisher.forget_before(read);
                }
            }
        }
    }

    /// A selection of this stream, with what the stream still has: that which is there already, if there is one.
    pub(super) fn get(&self, whole: &Arc<Stream>, selection: &Selection) -> Arc<Stream> {
        let (sources, info, begins) = {
            let list = self.list.lock();
            if let Some(stream) = list.find(selection) {
                return stream;
            }
            (list.sources, list.info, list.begins)
        };
        let (mut variant, mut stream) = Variant::new(whole, selection, info);
        // The writer does not wait for this; what comes meanwhile is little, and follows below.
        variant.catch_up(whole, begins);
        let mut list = self.list.lock();
        if let Some(stream) = list.find(selection) {
            return stream;
        }
        if list.sources != sources {
            (variant, stream) = Variant::new(whole, selection, list.info);
        }
        // Before the last look at the hub: a writer that publishes after that sees it.
        self.any.store(true, Ordering::Release);
        let now = variant.catch_up(whole, list.begins);
        let headers = whole.headers();
        variant.begin(&now, &headers);
        if headers.iter().all(|header| header.packet.kind != Kind::Data) {
            // It was cleared, which is in no packet.
            variant.forget_metadata();
        }
        // Without a writer it ends here, and its readers find what is left.
        if !list.closed {
            list.all.push(variant);
        }
        stream
    }
}

impl List {
    fn find(&self, selection: &Selection) -> Option<Arc<Stream>> {
        self.all.iter().filter(|variant| variant.selection == *selection).find_map(|variant| variant.stream.upgrade())
    }
}

impl Variant {
    fn new(whole: &Arc<Stream>, selection: &Selection, info: StreamInfo) -> (Self, Arc<Stream>) {
        let (publisher, hub) = hub(whole.hub.keep(), whole.hub.budget());
        let latest = Latest::new(Mutex::new(Arc::default()));
        let pace = whole.pace.as_ref().map(|_| Arc::new(Pace::default()));
        let stream = Arc::new(Stream::part(whole, hub, pace, latest.clone()));
        let mut variant = Self {
            selection: selection.clone(),
            stream: Arc::downgrade(&stream),
            lane: Lane::new(publisher, latest),
            picker: Picker::new(&selection.tracks),
            silence: selection.silence.then(Silence::default),
            next: None,
            room: Vec::new(),
        };
        variant.start(info);
        (variant, stream)
    }

    fn start(&mut self, info: StreamInfo) {
        let has = |takes: bool, there: Option<bool>| if takes { there } else { Some(false) };
        let video = match has(self.picker.takes(Kind::Video), info.video) {
            // Whether it has tracks beside the first nobody said.
            Some(true) if !self.picker.takes_first_video() => None,
            other => other,
        };
        let audio = has(self.picker.takes(Kind::Audio), info.audio);
        if let Some(silence) = &mut self.silence {
            silence.start(audio);
        }
        self.lane.start(StreamInfo { video, audio, ..info });
    }

    /// Takes what the whole stream has had since it looked last: at first from its oldest entry point on that is of the
    /// source with the packet `begins`.
    fn catch_up(&mut self, whole: &Stream, begins: u64) -> Past<Shared> {
        let past = whole.hub.past(self.next.unwrap_or(begins));
        let mut from = self.next;
        if let (None, Some((seq, headers))) = (from, &past.entry) {
            from = Some(*seq);
            let mut sounds =
                past.items.iter().map(|kept| &kept.item.packet).filter(|packet| packet.kind == Kind::Audio);
            if let Some(silence) = &mut self.silence
                && sounds.any(|packet| self.picker.pick(packet).is_some_and(|packet| silence::is_sound(&packet)))
            {
                silence.heard();
            }
            self.seed(headers);
        }
        if let Some(from) = from {
            for kept in past.items.iter().filter(|kept| kept.seq >= from) {
                self.take(&kept.item, kept.at);
            }
            self.next = Some(past.head);
        }
        past
    }

    /// Is as far as the whole stream was: with its headers where it had no entry point yet, and as much over.
    fn begin(&mut self, now: &Past<Shared>, headers: &[Shared]) {
        if self.next.is_none() {
            self.seed(headers);
            self.next = Some(now.head);
        }
        if let Some(closed) = now.closed {
            self.lane.publisher.close_entries(closed);
        }
        if now.ended {
            self.lane.publisher.finish();
        }
        if now.finished
            && let Some(stream) = self.stream.upgrade()
        {
            stream.hub.finish();
        }
    }

    fn seed(&mut self, headers: &[Shared]) {
        for header in headers {
            let Some(packet) = self.picker.pick(&header.packet) else { continue };
            let is_held = match (&mut self.silence, packet.kind) {
                (Some(silence), Kind::Audio) => silence.hold(&packet),
                (Some(silence), Kind::Data) => {
                    silence.metadata(&packet);
                    false
                }
                _ => false,
            };
            if !is_held {
                self.lane.seed(packet);
            }
        }
    }

    fn forget_metadata(&mut self) {
        self.lane.forget_metadata();
        if let Some(silence) = &mut self.silence {
            silence.forget_metadata();
        }
    }

    /// A packet of the whole stream, which came there `at` this instant.
    fn take(&mut self, message: &Shared, at: Instant) {
        let Some(packet) = self.picker.pick(&message.packet) else { return };
        let Some(silence) = &mut self.silence else {
            self.lane.publish_of(packet, at, Some(message));
            return;
        };
        if silence.take(packet, &mut self.room) {
            self.lane.forget_sound();
        }
        for packet in self.room.drain(..) {
            self.lane.publish_of(packet, at, Some(message));
        }
    }
}
