//! Names that people bring from GPAC and FFmpeg: taken with a warning where they change nothing here, refused by name
//! where taking them would promise something.

use super::{OptionSpec, Type};

const fn nothing(name: &'static str, why: &'static str) -> OptionSpec {
    OptionSpec::new(name, Type::Text, "", why).ignored()
}

/// What every word takes, whatever its kind.
pub const EVERY_WORD: &[OptionSpec] = &[
    OptionSpec::new("name", Type::Text, "", "name in logs, metrics and reports; unique").alias(&["N"]),
    OptionSpec::new("FID", Type::Text, "", "id of this word, for the SID of others"),
    OptionSpec::new(
        "SID",
        Type::List,
        "",
        "ids of the words this one takes media from, each with #video or #audio if only that",
    ),
    nothing("ITAG", "sub-sessions are told by the order of words"),
    nothing("clone", "every word runs once"),
    nothing("nomux", "nothing is muxed but where an output needs it"),
    nothing("gfreg", "there is one implementation of each word"),
    nothing("FBT", "buffers follow `max_lag`"),
    nothing("FBU", "buffers follow `max_lag`"),
    nothing("FBD", "buffers follow `max_lag`"),
    nothing("LT", "use -logs=tool@level"),
];

/// Keywords of GPAC that may come later, refused by name: ignoring them would link or filter something else.
pub const REFUSED: &[(&str, &str)] = &[
    ("RSID", "link with FID= and SID="),
    ("TAG", "link with FID= and SID="),
    ("FS", "a new source after an output opens a new session"),
    ("ccp", "encoded media always passes as it is: leave the encoder out"),
];

/// Options of FFmpeg's networks that are refused with their mend: who types them relies on them.
pub const MENDED: &[(&str, &str)] = &[
    ("cafile", "write ca=FILE"),
    ("ca_file", "write ca=FILE"),
    ("localaddr", "write bind=ADDRESS"),
    ("local_addr", "write bind=ADDRESS"),
    ("tls_verify", "certificates are always verified; write ca=FILE to trust one of your own"),
    ("verify", "certificates are always verified; write ca=FILE to trust one of your own"),
];

/// What GPAC and FFmpeg take on a source URL.
pub const SOURCE: &[OptionSpec] = &[
    nothing("analyzeduration", "nothing is probed: media passes as it comes"),
    nothing("probesize", "nothing is probed: media passes as it comes"),
    nothing("fflags", "time stamps are mended without it"),
    nothing("rw_timeout", "use `timeout` and `retry`"),
    nothing("block_size", "blocks follow the media"),
    nothing("buffer_size", "buffers follow `max_lag`"),
    nothing("copy", "media is never copied"),
    nothing("strbuf_min", "buffers follow `max_lag`"),
    nothing("mime", "the media tells its own type"),
    nothing("max_delay", "media passes as it comes"),
    nothing("flags", "media passes as it comes"),
    nothing("avioflags", "buffers follow `max_lag`"),
    nothing("protocol_whitelist", "a word opens its own URL only"),
    nothing("reconnect", "use `retry`, `retry_max` and `retries`"),
    nothing("reconnect_streamed", "use `retry`, `retry_max` and `retries`"),
    nothing("reconnect_at_eof", "use `retry`, `retry_max` and `retries`"),
    nothing("reconnect_delay_max", "use `retry`, `retry_max` and `retries`"),
    nothing("use_wallclock_as_timestamps", "time stamps are mended without it"),
];

/// What GPAC and FFmpeg take on a destination URL.
pub const SINK: &[OptionSpec] = &[
    nothing("speed", "outputs follow their input"),
    nothing("ileave", "audio and video leave in the order of their time"),
    nothing("nodisc", "a change of the source goes on in the same stream"),
    nothing("mime", "the media tells its own type"),
    nothing("ffiles", "outputs are no FFmpeg files"),
    nothing("keepts", "time stamps start at 0 and never go back"),
    nothing("block_size", "blocks follow the media"),
    nothing("psleep", "nothing waits in this way here"),
    nothing("proto", "every output is ready for media as it comes"),
    nothing("flvflags", "no FLV trailer is sent over a network"),
    nothing("fflags", "time stamps are mended without it"),
    nothing("rw_timeout", "an output that makes no progress is left and retried by itself"),
    nothing("flush_packets", "use `latency`"),
    nothing("max_interleave_delta", "audio and video leave in the order of their time"),
    nothing("muxdelay", "use `latency`"),
    nothing("bitrate", "the bit rate is the encoder's"),
    nothing("send_buffer_size", "the kernel chooses its buffers"),
    nothing("recv_buffer_size", "the kernel chooses its buffers"),
    nothing("tcp_mss", "the kernel chooses segment sizes"),
    nothing("max_delay", "audio and video leave in the order of their time"),
    nothing("avioflags", "use `latency`"),
    nothing("protocol_whitelist", "a word opens its own URL only"),
    nothing("reconnect", "outputs always reconnect: use `retry`, `retry_max` and `retries`"),
    nothing("reconnect_streamed", "outputs always reconnect: use `retry`, `retry_max` and `retries`"),
    nothing("reconnect_at_eof", "outputs always reconnect: use `retry`, `retry_max` and `retries`"),
    nothing("reconnect_delay_max", "outputs always reconnect: use `retry`, `retry_max` and `retries`"),
    nothing("listen_timeout", "use `timeout`"),
];

/// Container names: right where they say FLV, an error where they ask for what can't be.
pub const FORMAT: &[&str] = &["ffmt", "ext", "f", "format"];

/// What FFmpeg's RTMP protocol takes and we need not.
pub const RTMP: &[OptionSpec] = &[
    nothing("rtmp_flush_interval", "every message is sent at once; use `latency` to gather"),
    nothing("rtmp_swfhash", "SWF verification ended with the Flash Player"),
    nothing("rtmp_swfsize", "SWF verification ended with the Flash Player"),
    nothing("rtmp_swfverify", "SWF verification ended with the Flash Player"),
    nothing("rtmp_enhanced_codecs", "every codec passes as it comes"),
];

/// What libavcodec's encoders take and ours have no use for.
pub const ENCODER: &[OptionSpec] = &[
    nothing("preset", "the encoder has one speed"),
    nothing("tune", "the encoder is made for live pictures"),
    nothing("bf", "there are no B-frames"),
    nothing("refs", "the encoder chooses"),
    nothing("threads", "each encoder runs on a thread of its own"),
    nothing("pfmt", "pictures are YUV 4:2:0"),
    nothing("pix_fmt", "pictures are YUV 4:2:0"),
    nothing("low_delay", "no frame is ever held back"),
    nothing("rc_lookahead", "no frame is ever held back"),
    nothing("sc_threshold", "key frames come by `g` and `fintra` only"),
    nothing("keyint_min", "key frames come by `g` and `fintra` only"),
    nothing("maxrate", "the bit rate is held from frame to frame"),
    nothing("bufsize", "the bit rate is held from frame to frame"),
    nothing("level", "the level follows size and rate"),
    nothing("rc", "forced key frames keep the rate control"),
    nothing("rld", "options do not change while the encoder runs"),
    nothing("rtd", "a jump in time always begins with a key frame"),
    nothing("round", "sizes are even"),
    nothing("ls", "encoders end with their source"),
    nothing("crf", "the bit rate is held: use `b`"),
    nothing("x264-params", "the encoder is not x264"),
    nothing("x264opts", "the encoder is not x264"),
    nothing("keyint", "use `g`"),
    nothing("flags", "the encoder chooses"),
    nothing("qmin", "the bit rate is held: use `b`"),
    nothing("qmax", "the bit rate is held: use `b`"),
    nothing("ac", "the channels are the source's"),
    nothing("ar", "the sample rate is the source's"),
    nothing("forced-idr", "every key frame is an IDR picture"),
    nothing("b_strategy", "there are no B-frames"),
    nothing("nal-hrd", "the bit rate is held from frame to frame"),
    nothing("strict", "there are no experimental encoders"),
];
