//! Tests from outside, one file for each promise. Each test starts servers and services of its own, and stops them.

/// Servers that only some tests need.
mod servers;

/// Clients beside those of the test kit.
mod clients;

/// Faults of the network and of disks.
mod faults;

/// Traffic and certificates that tests put in.
mod inputs;

/// Metrics, spans and files, observed from outside.
mod observe;

/// Answers equal those of the service that Tidemark replaces, to the letter.
mod contract;

/// Reports of a real access log equal an independent count.
mod traffic;

/// Referrers of that log equal an independent count.
mod referrers;

/// Pages in a browser show the numbers, react to clicks and keys, and are updated while they are open.
mod dashboard;

/// A site that invents names has a bounded number of rows.
mod cardinality;

/// Reports of random events equal a plain count.
mod reports;

/// A month that is over is summed up, and reports stay the same.
mod months;

/// Read models are equal byte by byte after kills, repeats and other batches.
mod exactly_once;

/// Commands of operators show and decide what they say.
mod operator;

/// A decision of an operator applies to one stream.
mod decisions;

/// A gap that an operator has acknowledged is passed.
mod acknowledged;

/// An event that Postgres refuses is parked, and all others count.
mod refused_rows;

/// Databases work however they are addressed and set, or are refused with a reason.
mod databases;

/// An event counts once, whatever clocks say and whenever it could be read.
mod repeats;

/// Projectors divide the partitions, and none commits to a partition that it has lost.
mod leases;

/// New read models are built beside the active ones, and no client notices the cutover.
mod generations;

/// A new fold version is deployed beside the old one.
mod rollout;

/// Verification finds every difference, and none where there is none.
mod verify;

/// Erased events are found nowhere, and all other events still count.
mod forget;

/// After the documented statements, erased data is in no file.
mod remains;

/// Old envelopes leave the log, and come back where they are needed.
mod archive;

/// An archive of one history is not mixed with the log of another one.
mod archive_history;

/// An envelope whose PubAck was lost is counted once.
mod lost_ack;

/// An event shows soon.
mod latency;

/// An event is pushed.
mod live;

/// A gap or a changed stream halts its partition.
mod history;

/// An envelope that comes back after a decision is not counted again.
mod restored;

/// An envelope that was not delivered is read later, not skipped.
mod absence;

/// No header of a message stops a partition.
mod headers;

/// Bad input is answered with its error, and the process goes on.
mod bad_input;

/// The dashboard works behind a proxy that puts it below a path.
mod subpath;

/// A browser may have more tabs than connections.
mod tabs;

/// Rates count what is in requests.
mod rates;

/// Log lines name no sites, paths, users or clients.
mod logs;

/// Keys let in what they are for, and nothing else.
mod access;

/// A page of another origin is told what is counted.
mod pages;

/// Bytes of an attacker do no harm.
mod adversary;

/// Certificates of servers and clients are checked.
mod tls;

/// Many requests on one encrypted connection.
mod http2;

/// One client cannot take the service from others.
mod exhaustion;

/// Connections may wait, and may be closed on one side.
mod keep_alive;

/// Servers go away and come back, and no acknowledged event is lost.
mod outages;

/// A partition that does not advance makes its projector unready until it does.
mod progress;

/// Documented metrics are served, and alerts and dashboards use only these.
mod metrics;

/// Every alert fires, in a real Prometheus.
mod alerts;

/// Programs print their version and variables, and check their configuration.
mod command_line;

/// Documents link to files that exist, and list what programs print.
mod documents;

/// Every variable of the containers is documented.
mod containers;

/// A traced request is found again where it is counted.
mod traces;

/// Three servers keep the log, and some of them go away.
mod cluster;

/// Servers are lost with all their data, and brought back from the log or from backups.
mod backup;

/// A full disk refuses events and loses none.
mod disk_full;

/// The log is asked for its promises all the time.
mod promises;

/// Wrong clocks are noticed, and lose no events.
mod clocks;

/// Addresses with passwords are printed without them.
mod secrets;

/// A client that hangs up changes nothing.
mod hung_up;

/// A configuration that cannot be right is refused at the start.
mod refusals;

/// Users of the log and of the database can do what they need, and no more.
mod rights;

/// Services stop in order, and start in any order.
mod shutdown;

/// Modules without cycles, short files, small folders.
mod structure;

/// Sentences that stand alone.
mod prose;
