//! Thread that starts all child processes.
//!
//! The kernel sends the parent death signal when the *thread* that started the child ends, not when the process does. A
//! child of a test's thread, or of a runtime's worker, would be killed with that thread; this one lives as long as the
//! process.

use std::io;
use std::process::{Child, Command};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// Starts `command` from the thread that never ends, and waits until it runs.
pub(super) fn spawn(command: Command) -> io::Result<Child> {
    static REQUESTS: LazyLock<Sender<Request>> = LazyLock::new(|| {
        let (requests, inbox) = channel();
        thread::Builder::new()
            .name("spawner".into())
            .spawn(move || serve(&inbox))
            .expect("a process that cannot start one thread cannot start servers");
        requests
    });
    let (answer, child) = channel();
    let request = Request { command, answer };
    REQUESTS.send(request).expect("the spawner holds its inbox as long as the process lives");
    child.recv().expect("the spawner answers each request before it takes the next")
}

struct Request {
    command: Command,
    answer: Sender<io::Result<Child>>,
}

fn serve(inbox: &Receiver<Request>) {
    for mut request in inbox {
        // The receiver waits in `spawn`, so this cannot fail.
        let _ = request.answer.send(request.command.spawn());
    }
}
