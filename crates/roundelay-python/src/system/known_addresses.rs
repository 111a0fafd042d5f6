//! Addresses that came by lately, each with a tuple that shows it.
//!
//! Datagrams come from the same few senders and go to them. To show an address takes a text, a number and a
//! tuple, and to read one that was given takes the way back: more work than sending takes outside the system.
//! So both are remembered here: which tuple shows an address, and which address a tuple shows.
//!
//! Nobody can tell but by `is`: a tuple of texts and numbers never changes, and as its reference is kept here,
//! its place in memory is not another's.

use core::net::SocketAddr;
use std::cell::RefCell;

use crate::native::{Ref, Result};

use super::address::{self, Family, SocketAddress, Target};

/// How many are remembered at most; a power of two.
const PLACES: usize = 256;

/// Kept by a loop. Nothing here runs Python code: the end of such a tuple does not.
#[derive(Default)]
pub struct KnownAddresses {
    /// Each in the place that its address has. Without places until the first one comes.
    by_address: RefCell<Vec<Option<Known>>>,
    /// Each in the place that its tuple has.
    by_tuple: RefCell<Vec<Option<Known>>>,
}

#[derive(Clone)]
struct Known {
    address: SocketAddr,
    /// Exactly a tuple, of exactly texts and numbers.
    tuple: Ref,
}

impl KnownAddresses {
    /// The address of a sender as `recvfrom()` shows it, if it is of a family that is known here.
    #[inline]
    pub fn shown(&self, address: Option<&SocketAddress>) -> Result<Option<Ref>> {
        let Some(ip) = address.and_then(address::ip) else {
            return address::shown(address);
        };
        let place = place_of_address(&ip);
        if let Some(Some(known)) = self.by_address.borrow().get(place)
            && known.address == ip
        {
            return Ok(Some(known.tuple.clone()));
        }
        let tuple = address::shown_ip(&ip)?;
        let known = Known {
            address: ip,
            tuple: tuple.clone(),
        };
        put(&self.by_tuple, place_of_tuple(&tuple), known.clone());
        put(&self.by_address, place, known);
        Ok(Some(tuple))
    }

    /// The address that `sendto()` is given, if it is a plain one; see [`address::plain`].
    #[inline]
    pub fn plain(&self, family: Family, given: &Ref) -> Option<Target> {
        let place = place_of_tuple(given);
        if let Some(Some(known)) = self.by_tuple.borrow().get(place)
            && known.tuple.is(given)
            && family == Family::of_ip(&known.address)
        {
            return Some(Target::Ip(known.address));
        }
        let target = address::plain(family, given)?;
        if let Target::Ip(address) = target {
            let tuple = given.clone();
            put(&self.by_tuple, place, Known { address, tuple });
        }
        Some(target)
    }
}

/// Puts one in the place of whatever is there.
fn put(places: &RefCell<Vec<Option<Known>>>, place: usize, known: Known) {
    let mut places = places.borrow_mut();
    if places.is_empty() {
        places.resize(PLACES, None);
    }
    places[place] = Some(known);
}

/// Senders differ in their ports or in the ends of their addresses.
#[inline]
fn place_of_address(address: &SocketAddr) -> usize {
    let end = match address {
        SocketAddr::V4(address) => u32::from_be_bytes(address.ip().octets()),
        SocketAddr::V6(address) => address.ip().to_bits() as u32,
    };
    (end.wrapping_mul(31) ^ u32::from(address.port())) as usize % PLACES
}

/// Objects of this size lie at multiples of 16.
#[inline]
fn place_of_tuple(tuple: &Ref) -> usize {
    tuple.as_ptr().addr() / 16 % PLACES
}
