//! What a server says: answers to requests, and notices of its own.
use super::{Connect, ServerSession, Use};
use crate::amf0::Value;
use crate::command::{Command, status};
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Control, UserControl};
use crate::session::CapsEx;

impl ServerSession {
    /// Accepts the connect, and reads on.
    ///
    /// An error is either [`ErrorKind::Misuse`], if no connect waits for an answer, or one of what the client sent
    /// after its connect, as from [`ServerSession::receive`].
    pub fn accept_connect(&mut self) -> Result<()> {
        let transaction_id = self.take_connect(Connect::Accepted)?;
        self.link.control(Control::WindowAckSize(self.settings.window_ack_size));
        self.link.control(Control::SetPeerBandwidth { size: self.settings.peer_bandwidth, limit: 2 });
        self.link.set_chunk_size(self.settings.chunk_size);
        // The name and the version that nearly all servers give; some clients look for them.
        let mut properties = vec![("fmsVer", "FMS/3,0,1,123".into()), ("capabilities", Value::Number(31.0))];
        // Enhanced RTMP v2 "Enhancing NetConnection connect Command": told to those who may understand it.
        if !self.client.is_empty() {
            properties.extend(self.settings.capabilities.write());
        }
        let mut info = status("status", "NetConnection.Connect.Success", "Connection succeeded.");
        if let Value::Object(fields) = &mut info {
            fields.push(("objectEncoding".into(), Value::Number(0.0)));
        }
        let mut answer = Command::new("_result", transaction_id, vec![info]);
        answer.object = Value::object(properties);
        if let Value::Object(fields) = &mut answer.object {
            fields.extend(self.settings.properties.iter().cloned());
        }
        self.link.command(0, &answer);
        let result = self.resume();
        if let Err(error) = &result {
            self.failed = Some(error.clone());
        }
        result
    }

    /// Refuses the connect, say with `NetConnection.Connect.Rejected` or `.InvalidApp`. Nothing is read any more; send
    /// the output, then close.
    pub fn reject_connect(&mut self, code: &str, description: &str) -> Result<()> {
        self.reject(status("error", code, description))
    }

    /// Refuses the connect and names another server, in the form of Flash Media Server: `ex.redirect` is a URL to use as
    /// tcUrl. Most encoders and players do not follow.
    pub fn redirect_connect(&mut self, tc_url: &str) -> Result<()> {
        let mut info = status("error", "NetConnection.Connect.Rejected", "Redirected");
        if let Value::Object(fields) = &mut info {
            let ex = Value::object([("code", Value::Number(302.0)), ("redirect", tc_url.into())]);
            fields.push(("ex".into(), ex));
        }
        self.reject(info)
    }

    fn reject(&mut self, info: Value) -> Result<()> {
        let transaction_id = self.take_connect(Connect::Rejected)?;
        self.link.command(0, &Command::new("_error", transaction_id, vec![info]));
        self.held.clear();
        Ok(())
    }

    fn take_connect(&mut self, next: Connect) -> Result<f64> {
        match self.connect {
            Connect::Asked(transaction_id) => {
                self.connect = next;
                Ok(transaction_id)
            }
            _ => Err(Error::from(ErrorKind::Misuse("answer a connect"))),
        }
    }

    /// Accepts a publisher. False, and nothing is sent, if the request is no longer there: the client may have ended it,
    /// or asked for something else, in the meantime.
    pub fn accept_publish(&mut self, stream_id: u32) -> bool {
        let asked = |usage| usage == Use::PublishAsked;
        if self.change(stream_id, asked, Use::Publishing).is_none() {
            return false;
        }
        self.link.control(Control::User(UserControl::StreamBegin(stream_id)));
        self.stream_status(stream_id, "status", "NetStream.Publish.Start", "Publishing");
        true
    }

    /// Refuses a publisher, or ends one that had been accepted; say with `NetStream.Publish.BadName` (the name is in use)
    /// or `NetStream.Publish.Denied`. No [`ServerEvent::PublishEnd`](super::ServerEvent::PublishEnd) follows.
    ///
    /// Then close the connection, but let the client read this first. False, and nothing is sent, if the request is no
    /// longer there.
    pub fn refuse_publish(&mut self, stream_id: u32, code: &str, description: &str) -> bool {
        let known = self.change(stream_id, Use::publishes, Use::Nothing).is_some();
        if known {
            self.stream_status(stream_id, "error", code, description);
        }
        known
    }

    /// Ends every publisher of the connection as [`ServerSession::refuse_publish`] does.
    pub fn refuse_all(&mut self, code: &str, description: &str) {
        let publishing = self.streams.iter().filter(|stream| stream.usage.publishes()).map(|stream| stream.id);
        for stream_id in publishing.collect::<Vec<_>>() {
            self.refuse_publish(stream_id, code, description);
        }
    }

    /// Accepts a player; its metadata, headers and media may follow at once. False, and nothing is sent, if the request
    /// is no longer there.
    pub fn accept_play(&mut self, stream_id: u32) -> bool {
        let asked = |usage| matches!(usage, Use::PlayAsked { .. });
        let Some(before) = self.change(stream_id, asked, Use::Playing) else { return false };
        self.link.control(Control::User(UserControl::StreamBegin(stream_id)));
        if before == (Use::PlayAsked { reset: true }) {
            self.stream_status(stream_id, "status", "NetStream.Play.Reset", "Playing and resetting");
        }
        self.stream_status(stream_id, "status", "NetStream.Play.Start", "Playing");
        // As a command: FFmpeg makes a stream of its own of every data message that it does not know, which no file takes.
        self.stream_status(stream_id, "status", "NetStream.Data.Start", "Data follows");
        true
    }

    /// Refuses a player, or ends one that had been accepted; say with `NetStream.Play.StreamNotFound` or
    /// `NetStream.Play.Failed`. No [`ServerEvent::PlayEnd`](super::ServerEvent::PlayEnd) follows.
    /// False, and nothing is sent, if the request is no longer there.
    pub fn refuse_play(&mut self, stream_id: u32, code: &str, description: &str) -> bool {
        let known = self.change(stream_id, Use::plays, Use::Nothing).is_some();
        if known {
            self.stream_status(stream_id, "error", code, description);
        }
        known
    }

    /// Tells a player that somebody publishes its stream now.
    pub fn publish_notify(&mut self, stream_id: u32) {
        self.stream_status(stream_id, "status", "NetStream.Play.PublishNotify", "Published");
    }

    /// Tells a player that its stream is over. Players take this as the end.
    pub fn unpublish_notify(&mut self, stream_id: u32) {
        self.stream_status(stream_id, "status", "NetStream.Play.UnpublishNotify", "Unpublished");
        self.link.control(Control::User(UserControl::StreamEof(stream_id)));
    }

    /// Asks for a sign of life; [`ServerEvent::Pong`](super::ServerEvent::Pong) has the same number. A publisher may take
    /// long to answer: some read only between packets that they send.
    pub fn ping(&mut self, number: u32) {
        self.link.control(Control::User(UserControl::PingRequest(number)));
    }

    /// Tells the client that the server is about to end.
    pub fn app_shutdown(&mut self, description: &str) {
        let code = "NetConnection.Connect.AppShutdown";
        self.link.command(0, &Command::on_status("status", code, description));
    }

    /// Enhanced RTMP v2, "Reconnect Request": asks the client to connect anew, to `tc_url` if given (absolute,
    /// `//host/app` or `/app`). False, and nothing is sent, if the client did not say that it understands this.
    pub fn reconnect_request(&mut self, tc_url: Option<&str>, description: &str) -> bool {
        if !self.client.caps_ex.contains(CapsEx::RECONNECT) || self.connect != Connect::Accepted {
            return false;
        }
        let mut info = status("status", "NetConnection.Connect.ReconnectRequest", description);
        if let (Value::Object(fields), Some(tc_url)) = (&mut info, tc_url) {
            fields.push(("tcUrl".into(), tc_url.into()));
        }
        self.link.command(0, &Command::new("onStatus", 0.0, vec![info]));
        true
    }

    /// Puts a stream from one of the `allowed` uses into `next`; gives the one before. Only what the caller has seen can
    /// be changed: an answer never reaches a request that came after the one it was meant for.
    fn change(&mut self, stream_id: u32, allowed: impl Fn(Use) -> bool, next: Use) -> Option<Use> {
        let stream = self.streams.iter_mut().find(|s| s.id == stream_id && s.seen && allowed(s.usage))?;
        Some(std::mem::replace(&mut stream.usage, next))
    }

    /// `_result` with a null object, unless the call asks for no answer.
    pub(super) fn result(&mut self, call: &Command, value: Value) {
        self.answer("_result", call, value);
    }

    pub(super) fn error(&mut self, call: &Command, code: &str, description: &str) {
        self.answer("_error", call, status("error", code, description));
    }

    fn answer(&mut self, name: &str, call: &Command, value: Value) {
        if call.transaction_id != 0.0 {
            self.link.command(0, &Command::new(name, call.transaction_id, vec![value]));
        }
    }

    pub(super) fn stream_status(&mut self, stream_id: u32, level: &str, code: &str, description: &str) {
        self.link.command(stream_id, &Command::on_status(level, code, description));
    }

    /// The confirmation of FCPublish and FCSubscribe, which older encoders and content networks wait for.
    pub(super) fn fc_status(&mut self, name: &str, code: &str) {
        self.link.command(0, &Command::new(name, 0.0, vec![status("status", code, "Started")]));
    }
}
