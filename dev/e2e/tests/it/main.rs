//! One file a promise. Each test starts servers and services of its own and stops them again.

/// The contract of the service that Tidemark replaces, to the letter.
mod contract;

/// Every line of an access log, in; the truth, out.
mod traffic;

/// Where each line of it came from.
mod referrers;

/// Pages in a browser: numbers, clicks, keys, colours, and what comes while one looks.
mod dashboard;

/// A site that invents names.
mod cardinality;

/// Random events, and every report of them.
mod reports;

/// Months that are over.
mod months;

/// Killed, doubled, cut differently: the read models come out equal to the byte.
mod exactly_once;

/// What operators ask and decide.
mod operator;

/// Decisions, each about one history.
mod decisions;

/// Gaps that an operator has acknowledged.
mod acknowledged;

/// Rows that Postgres refuses.
mod refused_rows;

/// Databases that are addressed, set or reached in other ways than usual.
mod databases;

/// Each event counts once, whatever clocks say and whenever it could be read.
mod repeats;

/// Several projectors: each has its share, and none commits what is not its own.
mod leases;

/// New read models beside the old ones, and a cutover that no client notices.
mod generations;

/// A new fold, deployed beside the old one.
mod rollout;

/// Whatever is wrong is found, and nothing where nothing is.
mod verify;

/// What is forgotten is found nowhere, and everybody else counts.
mod forget;

/// Not in any file either, once the disks are cleared as the docs say.
mod remains;

/// Old envelopes leave the log, and come back where they are needed.
mod archive;

/// Archives of one history and the log of another one.
mod archive_history;

/// The log has stored an envelope, and ingest does not hear of it.
mod lost_ack;

/// An event shows soon.
mod latency;

/// An event is pushed, to a thousand clients if there are so many.
mod live;

/// Nothing is skipped in silence.
mod history;

/// What comes back after a decision is not counted again.
mod restored;

/// What is lost on its way is not gone.
mod absence;

/// Nothing that one message has in its headers stops a partition.
mod headers;

/// Whatever is sent: an answer that says what is wrong, and a process that goes on.
mod bad_input;

/// The dashboard behind a proxy that puts it below a path.
mod subpath;

/// More tabs than a browser has connections.
mod tabs;

/// Rates count what is in requests.
mod rates;

/// What logs name.
mod logs;

/// Keys: what they let in, and what not.
mod access;

/// Pages of other origins, in a browser: what a page is told is what is counted.
mod pages;

/// What an attacker may try with bytes.
mod adversary;

/// TLS: certificates of servers and clients.
mod tls;

/// Many requests on one encrypted connection.
mod http2;

/// One client cannot take the service from others.
mod exhaustion;

/// Connections that wait, and such that are closed on one side.
mod keep_alive;

/// Ten thousand clients at once.
mod connections;

/// Servers go away and come back.
mod outages;

/// A partition that does not get on makes its projector unready, and is ready again.
mod progress;

/// Metrics that are promised are served, and what is used of them is promised.
mod metrics;

/// Every alert fires, in a real Prometheus.
mod alerts;

/// Versions, variables, and configurations that are checked.
mod command_line;

/// Documents link to what exists, and list what programs say.
mod documents;

/// What containers are told of is documented, and there.
mod containers;

/// A traced request is found again where it is counted.
mod traces;

/// Three servers keep the log, and some of them go away.
mod cluster;

/// Servers are lost with all they had, and brought back from the log or from backups.
mod backup;

/// No room on the disk.
mod disk_full;

/// The log is asked for its promises all the time.
mod promises;

/// Clocks that are wrong.
mod clocks;

/// Addresses with passwords are printed without them.
mod secrets;

/// A client that hangs up changes nothing.
mod hung_up;

/// What cannot be right is refused at the start.
mod refusals;

/// Users of the log and of the database: each can do what it may, and no more.
mod rights;

/// Stopped in order, started in any order.
mod shutdown;

/// Modules without cycles, short files, small folders.
mod structure;

/// Sentences that stand alone.
mod prose;
