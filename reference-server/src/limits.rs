//! Every limit of the server, by name. What a stranger can make us hold or wait for is bounded here.

/// Back-end sockets of one app at once.
pub const MAX_BACK_END_SOCKETS_PER_APP: usize = 100;

/// API keys of one app that work at once: one for each purpose, and its successor while it is rotated.
pub const MAX_LIVE_KEYS_PER_APP: usize = 20;

/// Requests to the HTTP API per second and app, on average.
pub const API_REQUESTS_PER_SECOND: u32 = 100;

/// Requests to the HTTP API that an app may make at once, before the average counts.
pub const API_REQUEST_BURST: u32 = 300;

/// Connections that one address opens at once. All of them may shake hands, which is what a connection costs.
pub const CONNECTION_BURST: u32 = 1_000;

/// Addresses, or whatever else strangers are counted by, that are remembered at once.
pub const MAX_TRACKED_ADDRESSES: usize = 100_000;

/// What a page that asked too often is told to wait, in milliseconds.
pub const RATE_LIMITED_MS: u64 = 60_000;

/// What a page is told to wait when everybody together asked too often, in milliseconds.
pub const OVER_CAPACITY_MS: u64 = 2_000;

/// Time for the body of a request, in milliseconds.
pub const REQUEST_BODY_MS: u64 = 10_000;

/// Answers that are kept for repeated `Idempotency-Key`s, per app.
pub const IDEMPOTENT_ANSWERS_PER_APP: usize = 1_000;

/// How long such an answer is kept, in milliseconds. It may hold a new API key, so not for long.
pub const IDEMPOTENT_ANSWER_MS: u64 = 10 * 60 * 1_000;

/// Entries that one request to the HTTP API goes through at most, wanted or not.
pub const MAX_SCANNED_ENTRIES: usize = 10_000;

/// How long the whole of an order of a certificate may take, in milliseconds.
pub const ACME_ORDER_MS: u64 = 120_000;

/// How long to wait after an authority has issued no certificate, in milliseconds; each time three times longer. The
/// best known one allows five failures in an hour.
pub const ACME_FIRST_WAIT_MS: u64 = 60_000;

/// The longest such wait, in milliseconds.
pub const ACME_LONGEST_WAIT_MS: u64 = 6 * 60 * 60 * 1_000;

/// How often the files of the certificate are looked at, in milliseconds.
pub const CERTIFICATE_LOOK_MS: u64 = 1_000;

/// Time for the TLS handshake, in milliseconds.
pub const TLS_HANDSHAKE_MS: u64 = 10_000;

/// Time for the head of a request, in milliseconds; also how long an idle HTTP connection is kept.
pub const REQUEST_HEAD_MS: u64 = 10_000;

/// The largest head of a request, in bytes.
pub const MAX_REQUEST_HEAD_BYTES: usize = 16 * 1024;

/// Time for the first message of a back end, in milliseconds.
pub const FIRST_MESSAGE_MS: u64 = 10_000;

/// The server says something on every socket at least this often, in milliseconds.
pub const IDLE_MS: u64 = 20_000;

/// A peer that was not heard for this long is dead, in milliseconds.
pub const DEAD_PEER_MS: u64 = 30_000;

/// Time for a peer to take what was written, in milliseconds.
pub const WRITE_MS: u64 = 30_000;

/// How long a page may hold a socket without signing in, in milliseconds.
pub const ANONYMOUS_MS: u64 = 15 * 60 * 1_000;

/// Read buffer of a socket, in bytes. The library's own default costs 128 KiB per idle connection.
pub const READ_BUFFER_BYTES: usize = 2 * 1024;

/// A socket's frames are gathered up to this many bytes before they are written.
pub const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// What frames may cost beside what is in them, as a share of the largest message: more is a message in crumbs.
pub const FRAMING_SHARE: usize = 4;

/// What is read of a peer after it was refused, in bytes, so that it hears why.
pub const FAREWELL_BYTES: usize = 64 * 1024;

/// How long a peer may take to hear why it was refused, in milliseconds.
pub const FAREWELL_MS: u64 = 1_000;

/// Most bytes that a socket holds for a peer that does not read: one full buffer and the largest frame.
pub const MAX_WRITE_BUFFER_BYTES: usize = WRITE_BUFFER_BYTES + 2 * 64 * 1024;

/// Passkeys of one account.
pub const MAX_PASSKEYS_PER_ACCOUNT: usize = 20;

/// Sessions of an account that its pages are shown at most: as many as fit into one frame.
pub const MAX_LISTED_SESSIONS: usize = 50;

/// Ended sessions that a page is told by name at most. All that it asked for have ended.
pub const MAX_NAMED_SESSIONS: usize = 1_000;

/// What is kept of a browser's `User-Agent`, in bytes.
pub const MAX_USER_AGENT_BYTES: usize = 256;

/// A page is told this long before its session ends, in milliseconds.
pub const EXPIRING_MS: u64 = 60_000;

/// Requests out of turn before a browser socket is closed.
pub const MAX_UNEXPECTED: u32 = 3;

/// Codes that one browser socket may ask for.
pub const MAX_CODES_PER_CONNECTION: u32 = 5;

/// Wrong tries at one code.
pub const MAX_CODE_TRIES: u32 = 5;

/// How long a code works, in milliseconds.
pub const CODE_MS: u64 = 10 * 60 * 1_000;

/// How long a challenge works, in milliseconds. Browsers give the person five minutes at most.
pub const CHALLENGE_MS: u64 = 5 * 60 * 1_000;

/// Answers that could tell whether an address has an account leave this many milliseconds after their request, or twice as
/// many, and so on: far longer than the work that they take.
pub const RELEASE_TICK_MS: u64 = 20;

/// ... and are filled up to a multiple of so many bytes: what is asked for one passkey has room in one of them.
pub const RELEASE_BYTES: usize = 1_024;

/// Accounts of an app that its decoys are drawn from. A sample: who asks for an address must not wait for all of them.
pub const POPULATION_ACCOUNTS: usize = 512;
/// What was refused is logged this often, in milliseconds.
pub const REFUSALS_MS: u64 = 60_000;
/// How long an operator's approval waits for that of another one, in milliseconds.
pub const APPROVAL_MS: u64 = 24 * HOUR_MS;
/// How long a recovery that has waited gives a new passkey, in milliseconds: 7 days.
pub const RECOVERY_READY_MS: u64 = 7 * 24 * HOUR_MS;

/// The time that recoveries have waited is stored this often, in milliseconds: a server that crashes loses no more of it.
pub const RECOVERY_COUNT_MS: u64 = 10 * 60 * 1_000;

const HOUR_MS: u64 = 60 * 60 * 1_000;

/// Browsers that a passkey remembers having been used in; a person has few, and somebody else's must not push them all out unseen.
pub const MAX_KNOWN_BROWSERS: usize = 8;

/// Sessions in one page of a snapshot.
pub const SNAPSHOT_PAGE_SESSIONS: usize = 128;

/// Entries that a reader takes from the log at once.
pub const READ_ENTRIES: usize = 64;

/// Time for sockets to leave when the server stops, in milliseconds.
pub const DRAIN_MS: u64 = 5_000;

/// A log's head is signed anew at most this often, in milliseconds ...
pub const HEAD_MS: u64 = 60_000;

/// ... or after this many entries.
pub const HEAD_ENTRIES: u64 = 1_000;

/// Messages of one socket, and apart from them its pings and pongs: this many at once ...
pub const FRAME_BURST: u32 = 200;

/// ... and then this many a second.
pub const FRAMES_PER_SECOND: u32 = 50;

/// How long a worker may take to give a lane back, in milliseconds.
pub const HAND_OVER_MS: u64 = 10_000;

/// Positions of workers are written at most this often, in milliseconds. Losing one costs a repetition, no more.
pub const SETTLE_MS: u64 = 250;

/// A back end is told this long before its key expires, in milliseconds.
pub const KEY_EXPIRING_MS: u64 = 60_000;

/// Consumers of one app.
pub const MAX_CONSUMERS_PER_APP: u32 = 256;

/// How long entries are kept, in milliseconds, where the app has no wish of its own: 7 days.
pub const RETENTION_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// How many entries are kept, where the app has no wish of its own.
pub const RETENTION_ENTRIES: u64 = 1_000_000;

/// How often logs are cut, in milliseconds.
pub const CUT_EVERY_MS: u64 = 60_000;

/// Entries that one commit cuts off at most: signing in must not wait for housekeeping.
pub const CUT_ENTRIES: u64 = 10_000;

/// Accounts whose keys one commit wraps again at most, when the ring has turned.
pub const RESEAL_ACCOUNTS: usize = 64;
