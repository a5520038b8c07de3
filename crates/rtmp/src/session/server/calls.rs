//! What a server makes of a client's calls (Adobe RTMP 1.0 §7.2).
use super::{Connect, ConnectRequest, PlayRequest, PublishRequest, ServerEvent, ServerSession, Stream, Use};
use crate::amf0::Value;
use crate::command::Command;
use crate::error::{Error, ErrorKind, Result};
use crate::secret::Secret;

impl ServerSession {
    pub(super) fn on_command(&mut self, stream_id: u32, command: &Command) -> Result<()> {
        if command.name == "connect" {
            return self.on_connect(command);
        }
        if self.connect != Connect::Accepted {
            let (what, when) = ("a command other than connect", "before connect");
            return Err(Error::from(ErrorKind::OutOfOrder { what, when }));
        }
        let argument = command.argument(0);
        match command.name.as_str() {
            "createStream" => self.on_create_stream(command),
            "publish" if argument.as_bool() == Some(false) => self.on_close_stream(stream_id, &Value::Null, false),
            "publish" => self.on_publish(stream_id, command)?,
            "play" if argument.as_bool() == Some(false) => self.on_close_stream(stream_id, &Value::Null, false),
            "play" => self.on_play(stream_id, command)?,
            "FCPublish" => {
                self.result(command, Value::Null);
                self.fc_status("onFCPublish", "NetStream.Publish.Start");
            }
            "FCUnpublish" => {
                self.result(command, Value::Null);
                self.on_unpublish(stream_id, argument);
            }
            "FCSubscribe" => {
                self.result(command, Value::Null);
                self.fc_status("onFCSubscribe", "NetStream.Play.Start");
            }
            "closeStream" => self.on_close_stream(stream_id, argument, false),
            "deleteStream" => self.on_close_stream(stream_id, argument, true),
            "pause" | "pauseraw" => self.on_pause(stream_id, argument),
            "seek" => self.on_seek(stream_id),
            "receiveAudio" | "receiveVideo" => self.on_receive(stream_id, command),
            "getStreamLength" => self.result(command, Value::Number(0.0)),
            // Answers to calls of ours: none of them matters.
            "_result" | "_error" | "onStatus" => {}
            // An `_error` for a call that the client did not expect to fail ends some clients' session.
            _ => self.result(command, Value::Null),
        }
        Ok(())
    }

    fn on_connect(&mut self, command: &Command) -> Result<()> {
        if self.connect != Connect::Missing {
            return Err(Error::from(ErrorKind::OutOfOrder { what: "connect", when: "a second time" }));
        }
        let request = ConnectRequest::read(command, &self.settings.limits)?;
        self.client = request.capabilities.clone();
        self.connect = Connect::Asked(command.transaction_id);
        self.events.push_back(ServerEvent::Connect(Box::new(request)));
        Ok(())
    }

    /// Adds a message stream, in the place of an unused one if there are too many; false if all are in use.
    fn add_stream(&mut self, id: u32) -> bool {
        if self.streams.len() >= self.settings.limits.streams {
            let Some(unused) = self.streams.iter().position(|stream| stream.usage == Use::Nothing) else {
                return false;
            };
            self.streams.remove(unused);
        }
        let (usage, name) = (Use::Nothing, Secret::default());
        self.streams.push(Stream { id, usage, name, audio: true, video: true, request: 0, seen: false });
        true
    }

    fn on_create_stream(&mut self, command: &Command) {
        // The first answer is 1: some clients assume it.
        let id = (self.last_stream.wrapping_add(1)).max(1);
        if self.streams.iter().any(|stream| stream.id == id) || self.add_stream(id) {
            self.last_stream = id;
            self.result(command, Value::Number(f64::from(id)));
        } else {
            self.error(command, "NetConnection.Call.Failed", "Too many streams");
        }
    }

    fn on_publish(&mut self, stream_id: u32, command: &Command) -> Result<()> {
        let mut request = PublishRequest::read(stream_id, command, &self.settings.limits)?;
        request.number = self.begin(stream_id, Use::PublishAsked, &request.name)?;
        self.events.push_back(ServerEvent::Publish(request));
        Ok(())
    }

    fn on_play(&mut self, stream_id: u32, command: &Command) -> Result<()> {
        let mut request = PlayRequest::read(stream_id, command, &self.settings.limits)?;
        request.number = self.begin(stream_id, Use::PlayAsked { reset: request.reset }, &request.name)?;
        self.events.push_back(ServerEvent::Play(request));
        Ok(())
    }

    /// Puts a stream to a new use, after ending what ran on it; gives the number of the request.
    fn begin(&mut self, stream_id: u32, usage: Use, name: &Secret) -> Result<u64> {
        match self.streams.iter().position(|stream| stream.id == stream_id) {
            Some(index) => self.end_stream(index, true),
            // One that the client never asked for.
            None if self.add_stream(stream_id) => {}
            None => {
                let limit = self.settings.limits.streams as u32;
                return Err(Error::from(ErrorKind::TooManyStreams { limit }));
            }
        }
        self.last_request += 1;
        let request = self.last_request;
        let name = name.clone();
        self.streams.retain(|stream| stream.id != stream_id);
        self.streams.push(Stream { id: stream_id, usage, name, audio: true, video: true, request, seen: false });
        Ok(request)
    }

    /// FCUnpublish names the stream, and comes on message stream 0.
    fn on_unpublish(&mut self, stream_id: u32, name: &Value) {
        let mut publishing =
            self.streams.iter().enumerate().filter(|(_, stream)| stream.usage.publishes()).map(|(index, _)| index);
        let named = |index: &usize| {
            let stream = self.streams.get(*index);
            stream.is_some_and(|s| s.id == stream_id || name.as_str().is_some_and(|name| s.name.matches(name)))
        };
        let found = match (publishing.clone().find(named), publishing.next()) {
            (Some(index), _) => Some(index),
            (None, Some(only)) if publishing.next().is_none() => Some(only),
            _ => None,
        };
        if let Some(index) = found {
            self.end_stream(index, true);
        }
    }

    /// The stream is named by number or by the message stream; with anything else the only one is meant: a known client
    /// sends the stream's name.
    fn on_close_stream(&mut self, stream_id: u32, argument: &Value, delete: bool) {
        let by_id = |id: f64| self.streams.iter().position(|stream| f64::from(stream.id) == id);
        let found = argument.as_f64().and_then(by_id).or_else(|| by_id(f64::from(stream_id)));
        let index = match found {
            Some(index) => index,
            None if self.streams.len() == 1 => 0,
            None => return,
        };
        self.end_stream(index, true);
        if delete {
            self.streams.remove(index);
        }
    }

    /// Ends what runs on a stream, if anything does.
    pub(super) fn end_stream(&mut self, index: usize, clean: bool) {
        let Some(stream) = self.streams.get_mut(index) else { return };
        let stream_id = stream.id;
        match std::mem::replace(&mut stream.usage, Use::Nothing) {
            Use::Nothing => {}
            usage @ (Use::PublishAsked | Use::Publishing) => {
                if usage == Use::Publishing && clean {
                    self.stream_status(stream_id, "status", "NetStream.Unpublish.Success", "Stopped publishing");
                }
                self.events.push_back(ServerEvent::PublishEnd { stream_id, clean });
            }
            Use::PlayAsked { .. } | Use::Playing => self.events.push_back(ServerEvent::PlayEnd { stream_id }),
        }
    }

    /// The player on `stream_id`, or the only one.
    fn player(&mut self, stream_id: u32) -> Option<&mut Stream> {
        let players = self.streams.iter().filter(|stream| stream.usage.plays()).count();
        self.streams
            .iter_mut()
            .filter(|stream| stream.usage.plays())
            .find(|stream| stream.id == stream_id || players == 1)
    }

    fn on_pause(&mut self, stream_id: u32, argument: &Value) {
        let Some(stream_id) = self.player(stream_id).map(|stream| stream.id) else { return };
        let paused = argument.as_bool().unwrap_or(true);
        let (code, description) = match paused {
            true => ("NetStream.Pause.Notify", "Paused"),
            false => ("NetStream.Unpause.Notify", "Unpaused"),
        };
        self.stream_status(stream_id, "status", code, description);
        self.events.push_back(ServerEvent::Pause { stream_id, paused });
    }

    fn on_seek(&mut self, stream_id: u32) {
        let Some(stream_id) = self.player(stream_id).map(|stream| stream.id) else { return };
        self.stream_status(stream_id, "status", "NetStream.Seek.Notify", "Live streams do not seek");
    }

    fn on_receive(&mut self, stream_id: u32, command: &Command) {
        let Some(stream) = self.player(stream_id) else { return };
        let (stream_id, receive) = (stream.id, command.argument(0).as_bool().unwrap_or(true));
        let (wanted, event) = match command.name.as_str() {
            "receiveAudio" => (&mut stream.audio, ServerEvent::ReceiveAudio { stream_id, receive }),
            _ => (&mut stream.video, ServerEvent::ReceiveVideo { stream_id, receive }),
        };
        if std::mem::replace(wanted, receive) == receive {
            return;
        }
        // §7.2.2.4, §7.2.2.5: switching on is confirmed, switching off is not.
        if receive {
            self.stream_status(stream_id, "status", "NetStream.Seek.Notify", "Live");
            self.stream_status(stream_id, "status", "NetStream.Play.Start", "Live");
        }
        self.events.push_back(event);
    }
}
