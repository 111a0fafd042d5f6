//! What every back end must do, run against each one that this machine can build.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::Once;
use std::thread;
use std::time::{Duration, Instant};

use crate::reactor::Interest;

/// Long enough never to end a test that works, short enough to end one that does not.
const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));
const AT_ONCE: Option<Duration> = Some(Duration::ZERO);

/// Ends the test program if it is still there after two minutes, many times what it needs.
fn watchdog() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        thread::spawn(|| {
            thread::sleep(Duration::from_secs(120));
            eprintln!("a test hangs");
            std::process::exit(101);
        });
    });
}

macro_rules! back_end {
    ($name:ident) => {
        mod $name {
            use super::*;
            use crate::sys::$name::{Events, Poller};

            fn ready(poller: &Poller, timeout: Option<Duration>) -> Vec<(RawFd, Interest)> {
                let mut events = Events::new();
                poller.wait(&mut events, timeout).unwrap();
                let mut ready: Vec<_> = events.iter().collect();
                ready.sort_by_key(|&(fd, _)| fd);
                ready
            }

            #[test]
            fn a_descriptor_is_reported_until_it_has_been_read() {
                let (mut near, mut far) = UnixStream::pair().unwrap();
                let poller = Poller::new().unwrap();
                poller.add(far.as_raw_fd(), Interest::READABLE).unwrap();
                assert_eq!(ready(&poller, AT_ONCE), []);
                near.write_all(b"x").unwrap();
                for _ in 0..3 {
                    assert_eq!(
                        ready(&poller, PATIENCE),
                        [(far.as_raw_fd(), Interest::READABLE)]
                    );
                }
                far.read_exact(&mut [0]).unwrap();
                assert_eq!(ready(&poller, AT_ONCE), []);
            }

            #[test]
            fn modifying_and_removing_change_what_is_reported() {
                let (_near, far) = UnixStream::pair().unwrap();
                let (fd, poller) = (far.as_raw_fd(), Poller::new().unwrap());
                poller.add(fd, Interest::READABLE).unwrap();
                poller.modify(fd, Interest::BOTH).unwrap();
                assert_eq!(ready(&poller, PATIENCE), [(fd, Interest::WRITABLE)]);
                poller.modify(fd, Interest::READABLE).unwrap();
                assert_eq!(ready(&poller, AT_ONCE), []);
                poller.modify(fd, Interest::WRITABLE).unwrap();
                poller.remove(fd).unwrap();
                assert_eq!(ready(&poller, AT_ONCE), []);
                poller.add(fd, Interest::WRITABLE).unwrap();
                assert_eq!(ready(&poller, PATIENCE), [(fd, Interest::WRITABLE)]);
            }

            #[test]
            fn an_armed_descriptor_is_reported_once() {
                let (mut near, far) = UnixStream::pair().unwrap();
                let (fd, poller) = (far.as_raw_fd(), Poller::new().unwrap());
                near.write_all(b"x").unwrap();
                // Whether the guess is right or wrong.
                for known in [false, false, true, true] {
                    poller.arm(fd, Interest::READABLE, known).unwrap();
                    assert_eq!(ready(&poller, PATIENCE), [(fd, Interest::READABLE)]);
                    assert_eq!(ready(&poller, AT_ONCE), []);
                }
                // Not even a hang-up is reported before it is asked for.
                drop(near);
                assert_eq!(ready(&poller, AT_ONCE), []);
                poller.modify(fd, Interest::READABLE).unwrap();
                for _ in 0..2 {
                    assert_eq!(ready(&poller, PATIENCE).len(), 1);
                }
                poller.remove(fd).unwrap();
                poller.arm(fd, Interest::READABLE, true).unwrap();
                assert_eq!(ready(&poller, PATIENCE).len(), 1);
            }

            #[test]
            fn arming_reaches_the_file_that_has_the_number_now() {
                let poller = Poller::new().unwrap();
                for known in [true, false] {
                    let (_near, far) = UnixStream::pair().unwrap();
                    let fd = far.as_raw_fd();
                    poller.arm(fd, Interest::WRITABLE, false).unwrap();
                    assert_eq!(ready(&poller, PATIENCE), [(fd, Interest::WRITABLE)]);
                    // Another file takes the number; the poller is not told.
                    let (mut near, other) = UnixStream::pair().unwrap();
                    let mut far = std::os::fd::OwnedFd::from(far);
                    rustix::io::dup2(&other, &mut far).unwrap();
                    poller.arm(fd, Interest::READABLE, known).unwrap();
                    near.write_all(b"x").unwrap();
                    assert_eq!(ready(&poller, PATIENCE), [(fd, Interest::READABLE)]);
                    poller.remove(fd).unwrap();
                }
            }

            #[test]
            fn a_hang_up_wakes_both_directions() {
                let (near, far) = UnixStream::pair().unwrap();
                let poller = Poller::new().unwrap();
                poller.add(far.as_raw_fd(), Interest::READABLE).unwrap();
                drop(near);
                assert_eq!(
                    ready(&poller, PATIENCE),
                    [(far.as_raw_fd(), Interest::BOTH)]
                );
            }

            #[test]
            fn many_descriptors_are_all_reported() {
                let pairs: Vec<_> = (0..300).map(|_| UnixStream::pair().unwrap()).collect();
                let poller = Poller::new().unwrap();
                for (_, far) in &pairs {
                    poller.add(far.as_raw_fd(), Interest::WRITABLE).unwrap();
                }
                let mut events = Events::new();
                // The buffer grows to fit within a few waits.
                for _ in 0..5 {
                    poller.wait(&mut events, PATIENCE).unwrap();
                }
                assert!(events.iter().count() >= 256, "{}", events.iter().count());
            }

            #[test]
            fn bad_descriptors_are_refused() {
                let poller = Poller::new().unwrap();
                let bad_number = |result: io::Result<()>| {
                    result.unwrap_err().raw_os_error()
                        == Some(rustix::io::Errno::BADF.raw_os_error())
                };
                assert!(bad_number(poller.add(-1, Interest::READABLE)));
                assert!(bad_number(poller.add(RawFd::MAX, Interest::READABLE)));
                assert!(bad_number(poller.remove(-1)));

                let (_near, far) = UnixStream::pair().unwrap();
                let unknown = poller.modify(far.as_raw_fd(), Interest::BOTH).unwrap_err();
                assert_eq!(unknown.kind(), io::ErrorKind::NotFound);
                let unknown = poller.remove(far.as_raw_fd()).unwrap_err();
                assert_eq!(unknown.kind(), io::ErrorKind::NotFound);
                poller.add(far.as_raw_fd(), Interest::READABLE).unwrap();
                let twice = poller.add(far.as_raw_fd(), Interest::READABLE).unwrap_err();
                assert_eq!(twice.kind(), io::ErrorKind::AlreadyExists);
            }

            #[test]
            fn a_timeout_is_never_cut_short() {
                let poller = Poller::new().unwrap();
                for micros in [1, 50, 200, 999, 1000, 1500] {
                    let timeout = Duration::from_micros(micros);
                    let start = Instant::now();
                    assert_eq!(ready(&poller, Some(timeout)), []);
                    assert!(
                        start.elapsed() >= timeout,
                        "{:?} < {timeout:?}",
                        start.elapsed()
                    );
                }
            }

            #[test]
            fn the_bell_ends_a_wait_once() {
                watchdog();
                let poller = Poller::new().unwrap();
                let bell = poller.bell();
                bell.ring();
                bell.ring();
                let mut events = Events::new();
                assert!(poller.wait(&mut events, None).unwrap());
                assert_eq!(events.iter().count(), 0);
                let start = Instant::now();
                poller
                    .wait(&mut events, Some(Duration::from_millis(5)))
                    .unwrap();
                assert!(start.elapsed() >= Duration::from_millis(5));
                let ringer = thread::spawn(move || bell.ring());
                poller.wait(&mut events, None).unwrap();
                ringer.join().unwrap();
            }

            #[test]
            fn a_bell_that_outlives_its_poller_rings_for_nobody() {
                let poller = Poller::new().unwrap();
                let bell = poller.bell();
                drop(poller);
                bell.ring();
            }
        }
    };
}

back_end!(portable);
#[cfg(any(target_os = "linux", target_os = "android"))]
back_end!(epoll);
